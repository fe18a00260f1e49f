"""Commands that say what there is to run, and on which data."""

import sys
import tomllib
from typing import Annotated

from cyclopts import Parameter

from sparsight.cli._terminal import Overrides, terminal
from sparsight.errors import InputError

# Every command imports what it needs itself: torch takes two seconds, `--help` should not.


def recipes(name: str | None = None) -> None:
    """List the shipped recipes, or print one as TOML to start your own from.

    Parameters
    ----------
    name
        The recipe to print.
    """
    from sparsight.recipe import shipped_recipes

    shipped = shipped_recipes()
    if name is None:
        width = max(map(len, shipped))
        for each, text in shipped.items():
            print(f"{each:{width}}  {tomllib.loads(text)['question'].splitlines()[0]}")
    elif name in shipped:
        print(shipped[name], end="")
    else:
        raise InputError(f"no shipped recipe is called {name!r}; there are {', '.join(shipped)}")


def data(
    name: str | None = None,
    *,
    overrides: Overrides = [],  # noqa: B006
    seed: int = 0,
    download: bool = False,
    mirrors: Annotated[list[str], Parameter(name="--mirror", negative="")] = [],  # noqa: B006
) -> None:
    """Say which data are there and what is missing, describe one source, or download it.

    Parameters
    ----------
    name
        A data source, as in photographs or fashion-mnist.
    overrides
        Options of the source, as in num_train=1000.
    seed
        Of what is drawn.
    download
        Get fashion-mnist, mnist or cifar10 where it is published, into the user's cache folder.
    mirrors
        A folder of your own with the same files, https: or file:, tried first; their SHA-256 are known.
    """
    if download:
        from sparsight.data import PUBLISHED, download_set

        if name is None:
            raise InputError(f"--download needs a name: {', '.join(PUBLISHED)}")
        folder = download_set(name, mirrors, lambda url: print(f"getting {url}", file=sys.stderr))
        print(f"{name} is in {folder}: use it with --set data.folder={folder}")
        return

    from sparsight.cli.views._data_sources import availability_table, description_table

    terminal().print(description_table(name, overrides, seed) if name else availability_table())
