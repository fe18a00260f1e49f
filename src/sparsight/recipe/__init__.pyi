from ._built_task import TasksOfOneData as TasksOfOneData
from ._data_settings import DataSettings as DataSettings
from ._loading import (
    load_recipe as load_recipe,
    parse_override as parse_override,
    recipe_values as recipe_values,
)
from ._mask_sources import (
    MasksOf as MasksOf,
    check_nested_source as check_nested_source,
    masks_of as masks_of,
)
from ._recipe import (
    Condition as Condition,
    MeasureSettings as MeasureSettings,
    Name as Name,
    Recipe as Recipe,
    merged as merged,
)
from ._shipped import shipped_recipes as shipped_recipes
from ._toml_text import read_toml as read_toml
from ._validation import validated as validated
