"""Recipes: everything a run depends on, in one validated table.

From text to settings:

_toml_text      parses TOML from anybody within limits of size and depth
_loading        finds shipped recipes (shipped/*.toml) and files, and applies overrides
_validation     turns pydantic's errors into one line that names the field

The settings:

_recipe         Recipe, its conditions, and the hashes that name a run
_data_settings  the [data] table: a source by name, with the arguments of that source as fields
_built_task     the task that it describes, and tasks that share their data
_mask_sources   whose masks a condition takes, and the order of work that follows
_folder_names   names of recipes and conditions, which become folders

The names are listed in ``__init__.pyi`` and imported when they are first used: torch takes two seconds, and
``sparsight recipes`` needs the texts alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
