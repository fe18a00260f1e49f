"""Recipes: everything a run depends on, in one validated table.

From text to settings:

_toml_text      parses TOML from anybody within limits of size and depth
_loading        finds shipped recipes (shipped/*.toml) and files, and applies overrides
_validation     turns pydantic's errors into one line that names the field

The settings:

_recipe         Recipe, its conditions, and the hashes that name a run
_data_settings  the [data] table: a source by name, with the arguments of that source as fields
_mask_sources   whose masks a condition takes, and the order of work that follows
_folder_names   names of recipes and conditions, which become folders
"""

from sparsight.recipe._data_settings import DataSettings as DataSettings
from sparsight.recipe._loading import (
    load_recipe as load_recipe,
    parse_override as parse_override,
    recipe_values as recipe_values,
    shipped_recipes as shipped_recipes,
)
from sparsight.recipe._mask_sources import (
    MasksOf as MasksOf,
    masks_of as masks_of,
)
from sparsight.recipe._recipe import (
    Condition as Condition,
    MeasureSettings as MeasureSettings,
    Name as Name,
    Recipe as Recipe,
    merged as merged,
)
from sparsight.recipe._toml_text import read_toml as read_toml
from sparsight.recipe._validation import validated as validated
