"""What ``import sparsight`` offers is there, whatever else was imported before."""

import subprocess
import sys
import types

import sparsight


def test_every_public_name_is_what_it_says_even_after_every_room_was_imported():
    sparsight.load_recipe("nlgp-1d")  # imports the rooms, which become attributes of the package
    for name in sparsight.__all__:
        value = getattr(sparsight, name)
        assert not isinstance(value, types.ModuleType), name
        assert value.__doc__, name


def test_names_are_loaded_when_asked_for():
    code = (
        "import sparsight, sys; assert 'torch' not in sys.modules; "
        "sparsight.imp; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
