"""Whatever a recipe holds, it is refused in one line, or it can be stored, read back and hashed the same."""

import copy
import math
import tomllib

import pytest
import tomli_w
from hypothesis import given, strategies as st

from sparsight.errors import InputError
from sparsight.recipe import Recipe, load_recipe, shipped_recipes
from sparsight.recipe._toml_text import MAX_DEPTH, MAX_TOML_BYTES, parse_toml
from sparsight.store import default_path
from tests import toy  # noqa: F401 (registers the source "plane")
from tests.fuzzing import apply_damage, damage, fuzzed, fuzzed_each

SHIPPED = {name: text.encode() for name, text in shipped_recipes().items()}


def check(make):
    """Assert the promise of this file for one recipe; return whether it was accepted."""
    try:
        recipe = make()
    except InputError as error:
        message = str(error)
        assert "\n" not in message
        assert len(message) < 2000
        assert message.isprintable()
        return False
    again = Recipe.from_values(tomllib.loads(tomli_w.dumps(recipe.resolved())), "stored")
    assert again.digest() == recipe.digest()
    names = [default_path(recipe).name, *recipe.condition_names()]
    assert all(name == name.strip(". ") and not set(name) & set('/\\:*?"<>|\0') for name in names)
    for name in recipe.condition_names():
        condition = recipe.condition(name)
        numbers = [*condition.training.model_dump().values(), *condition.pruning.model_dump().values()]
        assert all(math.isfinite(number) for number in numbers if isinstance(number, float))
    return True


@fuzzed
@given(st.sampled_from(sorted(SHIPPED)), damage, st.sampled_from(sorted(SHIPPED)))
def test_damaged_text(tmp_path_factory, name, changes, other):
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    foreign = SHIPPED[other]
    changes = [
        (kind, at, size, foreign[at % len(foreign) :][:40] if kind == "insert" else new)
        for kind, at, size, new in changes
    ]
    path.write_bytes(apply_damage(SHIPPED[name], changes))
    check(lambda: load_recipe(path))


BASE = {
    "name": "fuzzed",
    "question": "why",
    "replicates": 2,
    "seed": 0,
    "device": "cpu",
    "data": {"source": "plane", "clone": "none", "num_inputs": 24, "num_train": 300},
    "network": {"widths": [12], "activation": "relu", "batch_norm": "none", "batch_norm_eps": 1e-5,
                "bias": True, "init": "normal", "init_std": 0.1},
    "training": {"steps": 10, "optimizer": "sgd", "batch_size": 10, "learning_rate": 0.1, "momentum": 0.9,
                 "nesterov": False, "weight_decay": 0.0, "schedule": "constant", "milestones": [],
                 "decay": 0.1, "warmup_steps": 0, "loss": "cross_entropy", "evaluations": 2},
    "pruning": {"rate": 0.3, "max_levels": 2, "min_density": 0.1, "rewind": "init", "scope": "global"},
    "measure": {"instruments": ["locality"], "num_samples": 100},
    "conditions": {"imp": {}, "twin": {"data": {"clone": "gaussian"}}},
}  # fmt: skip
PLACES = [(key,) for key in BASE] + [
    (table, key) for table, values in BASE.items() if isinstance(values, dict) for key in values
]

plain = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -1, 2**31, 2**53, 10**9]),
    st.floats(),
    st.sampled_from([0.0, -0.0, 5e-324, 1e308]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["", "cuda:99999999999", "step:-1", "step:99999999999999999999", "../x", "con", "a\0b"]),
    st.datetimes(),
)  # fmt: skip
keys = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.sampled_from([key for place in PLACES for key in place]),
)
anything = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=8,
)


def test_the_recipe_that_is_changed_is_accepted():
    assert check(lambda: Recipe.from_values(BASE, "base"))


@pytest.mark.parametrize("place", PLACES, ids=".".join)
@fuzzed_each
@given(anything)
def test_any_value_in_any_field(place, value):
    values = copy.deepcopy(BASE)
    table = values
    for key in place[:-1]:
        table = table[key]
    table[place[-1]] = value
    content = tomli_w.dumps(values).encode()
    check(lambda: Recipe.from_values(parse_toml(content, "fuzzed"), "fuzzed"))


@fuzzed
@given(st.dictionaries(keys, anything, max_size=5))
def test_any_values_beside_it(values):
    check(lambda: Recipe.from_values(BASE | values, "fuzzed"))


@fuzzed
@given(st.sampled_from(PLACES), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_override(place, text):
    check(lambda: load_recipe("photographs", [f"{'.'.join(place)}={text}"]))
    check(lambda: load_recipe("photographs", [text]))


HOSTILE = {
    "deep lists": "a = " + "[" * 100_000 + "]" * 100_000,
    "just too deep": "a = " + "[" * MAX_DEPTH + "]" * MAX_DEPTH,
    "deep tables": "a = " + "{a=" * 1000 + "1" + "}" * 1000,
    "a key of many parts": "a" + ".a" * 100_000 + " = 1",
    "a quoted key of many parts": '"\\"" . ' * 50_000 + "a = 1",
    "a header of many parts": "[" + "a." * 100_000 + "a]",
    "a long key without parts": "a" * 200_000 + " = 1",
    "open quotes": '"a' * 100_000,
    "a number of many digits": "a = " + "9" * 100_000,
    "a hexadecimal number of many digits": "a = 0x" + "f" * 100_000,
    "too large": "#" * MAX_TOML_BYTES + "\n",
    "NUL": "name = 'a\0b'",
    "many conditions": "\n".join(f"[conditions.c{k}]" for k in range(10_000)),
    "many unknown fields": "\n".join(f"unknown{k} = 1" for k in range(10_000)),
    "a long wrong value": f"seed = '{'x' * 200_000}'",
    "control characters": 'seed = "\\u001b]0;owned\\u0007"\n"\\u001b[31m" = 1',
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_in_one_line(name, tmp_path):
    path = tmp_path / "hostile.toml"
    path.write_text(HOSTILE[name], encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert len(str(caught.value)) < 2000
    assert str(caught.value).isprintable()


FOREIGN_NAMES = ["..", ".", "", "a/b", "/etc", "a\\b", "C:", "con", "NUL.x", "lpt1", "a.", "a ", " a",
         ".hidden", "-a", "a\n", "é", "a\0", "x" * 65, "recipe.toml", "report.HTML", "level_000.damaged",
         "task.json"]  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN_NAMES, ids=ascii)
def test_names_that_could_lead_elsewhere_are_refused(name):
    for values in ({"name": name}, {"conditions": {name: {}}}):
        with pytest.raises(InputError, match="name"):
            Recipe.from_values(BASE | values, "hostile")


@pytest.mark.parametrize("name", ["a", "imp", "lr-0.05", "step_10", "x" * 64, "0", "common", "console"])
def test_plain_names_are_taken(name):
    assert check(lambda: Recipe.from_values(BASE | {"name": name, "conditions": {name: {}}}, "plain"))


def test_conditions_that_are_one_folder_on_some_systems_are_refused():
    with pytest.raises(InputError, match="'imp' and 'IMP' are one folder on some systems"):
        Recipe.from_values(BASE | {"conditions": {"imp": {}, "IMP": {}}}, "hostile")


def test_more_replicates_than_any_run_has_are_refused():
    with pytest.raises(InputError, match="replicates times conditions are 2000000000"):
        Recipe.from_values(BASE | {"replicates": 10**9}, "hostile")
