"""The recipe: everything a run depends on.

_data_settings: The ``[data]`` table: a source by name, its options, and a clone in its place.
_folder_names: Names that become folders: plain ones, that mean the same on every system and cannot lead els
_recipe: The recipe: everything a run depends on, validated, completed, and hashed.
_toml_text: TOML from anybody: what could exhaust the parser, or harm later, is refused.
"""

from sparsight.recipe._data_settings import DataSettings as DataSettings
from sparsight.recipe._recipe import (
    Condition as Condition,
    MeasureSettings as MeasureSettings,
    Name as Name,
    Recipe as Recipe,
    load_recipe as load_recipe,
    merged as merged,
    parse_override as parse_override,
    recipe_values as recipe_values,
    shipped_recipes as shipped_recipes,
    validated as validated,
)
from sparsight.recipe._toml_text import MAX_TOML_BYTES as MAX_TOML_BYTES, parse_toml as parse_toml
