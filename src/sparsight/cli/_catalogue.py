"""Commands that list what there is to run, and on which data."""

import io
import sys
import tomllib
from typing import Annotated

from cyclopts import Parameter

from sparsight.cli._terminal import Overrides, Plugins, terminal
from sparsight.errors import InputError
from sparsight.printable import printable

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
            question = tomllib.loads(text)["question"].splitlines()[0]
            terminal().print(f"{each:{width}}  {question}", soft_wrap=True)
    elif name in shipped:
        if not sys.stdout.isatty() and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # a file of TOML is UTF-8 whatever the locale
        print(shipped[name], end="")  # whole lines, and our own
    else:
        raise InputError(f"no shipped recipe is called {name!r}; there are {', '.join(shipped)}")


def data(
    name: str | None = None,
    *,
    overrides: Overrides = (),
    plugins: Plugins = (),
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
        folder = download_set(name, mirrors, lambda url: print(printable(f"getting {url}"), file=sys.stderr))
        terminal().print(f"{name} is in {folder}: use it with --set data.folder={folder}", soft_wrap=True)
        return

    from sparsight.cli.views._data_sources import availability_table, description_table
    from sparsight.run import load_plugins

    load_plugins(plugins)

    terminal().print(description_table(name, overrides, seed) if name else availability_table())
