"""The claims by name: every module in `sparsight.reproduce.claims` defines a `CLAIM`."""

import importlib
import pkgutil
from collections.abc import Sequence

import sparsight.reproduce.claims
from sparsight.errors import InputError
from sparsight.registry import suggest
from sparsight.reproduce._claim import Claim

_ORDER = (
    "locality",
    "necessity",
    "more-than-twin",
    "non-gaussianity",
    "cavity",
    "feedback",
    "causal",
    "sign-and-kind",
    "data-and-labels",
    "one-neuron",
)


def all_claims() -> dict[str, Claim]:
    """Return the claims by name: first the papers' in their order, then any others alphabetically."""
    package = sparsight.reproduce.claims
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    ]
    claims = {module.CLAIM.name: module.CLAIM for module in modules}
    position = {name: index for index, name in enumerate(_ORDER)}
    return {name: claims[name] for name in sorted(claims, key=lambda n: (position.get(n, len(_ORDER)), n))}


def claims_named(names: Sequence[str]) -> list[Claim]:
    """Return the claims with these names.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    claims = all_claims()
    for name in names:
        if name not in claims:
            raise InputError(
                f"no claim is called {name!r}{suggest(name, claims)} (there are {', '.join(claims)})"
            )
    return [claims[name] for name in names]
