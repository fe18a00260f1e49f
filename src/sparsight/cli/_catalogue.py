"""Commands that list what there is to run, and on which data."""

import sys
import tomllib
from typing import Annotated

from cyclopts import Parameter

from sparsight.cli._terminal import Overrides, terminal
from sparsight.errors import InputError

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def recipes(name: str | None = None) -> None:
    """List the shipped recipes, or print one as TOML, to start your own from.

    Parameters
    ----------
    name
        Recipe to print.
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
    overrides: Overrides = (),
    seed: int = 0,
    download: bool = False,
    mirrors: Annotated[tuple[str, ...], Parameter(name="--mirror")] = (),
) -> None:
    """List the data sources and which of them are installed, describe one source, or download it.

    Parameters
    ----------
    name
        Data source, as in photographs or fashion-mnist.
    overrides
        Set an option of the source: key=value, as in num_train=1000.
    seed
        Seed of sources that are drawn at random.
    download
        Download fashion-mnist, mnist, cifar10 or cifar100 from its publisher into your cache folder.
    mirrors
        Address (https: or file:) of a folder with the same files, which is tried first. Files are checked
        against known SHA-256 digests.
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
