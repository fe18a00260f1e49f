"""The claims by name: every module in `sparsight.reproduce.claims` defines a `CLAIM`."""

import importlib
import pkgutil
from collections.abc import Iterable, Sequence

import sparsight.reproduce.claims
from sparsight.errors import InputError
from sparsight.registry import suggest
from sparsight.reproduce._claim import Claim

_ORDER = (
    "locality", "task-locality", "necessity", "envelope-equivalence", "more-than-twin", "mask-transfer",
    "mask-overlap",
    "non-gaussianity", "cavity", "feedback", "causal", "sign-and-kind", "data-and-labels", "one-neuron",
    "higher-order", "pictures", "ticket", "stability",
    "probes", "sample-complexity", "belief", "ensemble", "bandit", "resampling",
)  # fmt: skip


def select_claims(names: Sequence[str] = ()) -> dict[str, Claim]:
    """Return claims by name; without names all, the papers' in their order and then others alphabetically.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    package = sparsight.reproduce.claims
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    ]
    claims = {module.CLAIM.name: module.CLAIM for module in modules}
    for name in names:
        if name not in claims:
            raise InputError(
                f"no claim is called {name!r}{suggest(name, claims)} (there are {', '.join(_sorted(claims))})"
            )
    return {name: claims[name] for name in names or _sorted(claims)}


def _sorted(names: Iterable[str]) -> list[str]:
    position = {name: index for index, name in enumerate(_ORDER)}
    return sorted(names, key=lambda name: (position.get(name, len(_ORDER)), name))
