import copy
import pickle
import tomllib
from pathlib import Path

import pytest
import tomli_w

from sparsight.errors import InputError
from sparsight.recipe import Recipe, load_recipe, merged, parse_override, shipped_recipes
from sparsight.settings import AS_WRITTEN, STORED
from tests import toy  # noqa: F401 - registers the source `plane`

PLANE = Path(__file__).parents[1] / "plane.toml"


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid_and_have_their_controls(name):
    recipe = load_recipe(name)
    # `tickets` asks about accuracy, and its other controls keep parts of the mask; the inputs of `planted`
    # are Gaussian themselves; `belief` asks which inputs matter, and its nodes are binary.
    if name not in ("tickets", "planted", "belief"):
        assert recipe.condition("twin").data == recipe.data.twin()
    assert recipe.condition("random").pruning.criterion == "random"
    assert recipe.condition("shuffled_labels").data.label_noise == 1.0
    assert len(recipe.question.strip().splitlines()) == 2


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_resolved_recipe_is_the_same_recipe(name):
    recipe = load_recipe(name)
    again = Recipe.from_values(tomllib.loads(tomli_w.dumps(recipe.resolved())), "stored")
    assert again == recipe
    assert again.digest() == recipe.digest()


@pytest.mark.parametrize(
    ("overrides", "digest"),
    [
        ([], "5396437c6454e9d0"),
        (["pruning.scope=layer"], "36c49a214cc72f3f"),
        (["pruning.distribution=uniform"], "36c49a214cc72f3f"),
        (["pruning.schedule=one_shot", "pruning.rate=0.2"], "8d6ce1890f4b66c7"),
        (["conditions.random.pruning.masks_from=imp"], "fbfc3a0f75d8c665"),
    ],
)
def test_recipes_keep_the_hashes_that_name_their_runs(overrides, digest):
    assert load_recipe(PLANE, overrides).digest()[:16] == digest


@pytest.mark.parametrize(
    ("base", "override", "found"),
    [
        ({"scope": "layer"}, {"distribution": "erk"}, ("layer", "erk", 0.1)),
        ({"distribution": "erk"}, {"scope": "global"}, ("global", "global", 0.1)),
        ({"distribution": "erk"}, {"distribution": "global"}, ("global", "global", 0.1)),
        ({"distribution": "erk"}, {"criterion": "random"}, ("layer", "erk", 0.1)),
        ({}, {"distribution": {"linear_0": 0.5}}, ("layer", {"linear_0": 0.5}, 0.02)),
        ({"distribution": "erk"}, {"masks_from": "imp"}, ("global", None, 0.02)),
    ],
)
def test_a_condition_that_shares_weights_out_differently_replaces_what_it_contradicts(base, override, found):
    values = tomllib.loads(PLANE.read_text()) | {"name": "plane", "conditions": {"imp": {}, "other": {}}}
    values["pruning"] = {"min_density": 0.1, **base}
    values["conditions"]["other"] = {"pruning": override}
    pruning = Recipe.from_values(values, "test").condition("other").pruning
    assert (pruning.scope, pruning.distribution, pruning.min_density) == found


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_as_it_is_written_has_the_hashes_of_the_completed_one(name):
    recipe = load_recipe(name)
    values = tomllib.loads(tomli_w.dumps(recipe.resolved()))
    del values["data"][sorted(set(values["data"]) - {"source"})[0]]  # a default, in most
    stored, written = (Recipe.from_values(values, "run", context=context) for context in (STORED, AS_WRITTEN))
    assert written.digest() == stored.digest()
    assert written.identity() == stored.identity()
    assert written.resolved() == stored.resolved()
    assert written.condition("imp").pruning == stored.condition("imp").pruning


def test_conditions_override_only_what_they_name():
    recipe = load_recipe(PLANE)
    imp, random = recipe.condition("imp"), recipe.condition("random")
    assert random.pruning.criterion == "random"
    assert random.pruning.model_copy(update={"criterion": "magnitude"}) == imp.pruning
    assert (random.data, random.network, random.training) == (imp.data, imp.network, imp.training)


def test_without_conditions_there_is_one():
    values = tomllib.loads(PLANE.read_text())
    del values["conditions"]
    recipe = Recipe.from_values(values | {"name": "plane"}, "test")
    assert recipe.condition_names() == ["base"]
    assert recipe.condition("base").pruning == recipe.pruning


def test_a_condition_is_resolved_once():
    recipe = load_recipe(PLANE)
    assert recipe.condition("imp") is recipe.condition("imp")


def test_resolved_conditions_take_no_part_in_equality_and_are_not_written():
    recipe = Recipe.model_validate(tomllib.loads(PLANE.read_text()) | {"name": "plane"})
    asked = load_recipe(PLANE)
    assert "_resolved" in asked.__dict__
    assert "_resolved" not in recipe.__dict__
    assert recipe == asked
    assert recipe.resolved() == asked.resolved()
    assert recipe.model_dump_json() == asked.model_dump_json()


def test_a_changed_copy_resolves_its_conditions_again():
    recipe = load_recipe(PLANE)
    longer = recipe.training.model_copy(update={"steps": 31})
    for deep in (False, True):
        changed = recipe.model_copy(update={"training": longer}, deep=deep)
        assert changed.condition("imp").training.steps == 31
        assert changed.digest() == load_recipe(PLANE, ["training.steps=31"]).digest()
    assert recipe.condition("imp").training.steps == 30


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda recipe: pickle.loads(pickle.dumps(recipe))]
)
def test_a_recipe_survives_copying_and_the_way_to_a_worker(again):
    recipe = load_recipe(PLANE)
    assert again(recipe) == recipe
    assert again(recipe).digest() == recipe.digest()
    assert again(recipe).condition("random") == recipe.condition("random")


def test_a_condition_that_the_recipe_lacks_is_refused():
    with pytest.raises(
        InputError, match=r"no condition is called 'randm'; did you mean random\? .*imp, random"
    ):
        load_recipe(PLANE).condition("randm")


def test_replicates_share_seeds_across_conditions_and_differ_among_themselves():
    recipe = load_recipe(PLANE)
    assert recipe.replicate_seed(0) == load_recipe(PLANE).replicate_seed(0)
    assert recipe.replicate_seed(0) != recipe.replicate_seed(1)
    assert recipe.replicate_seed(0) != load_recipe(PLANE, ["seed=8"]).replicate_seed(0)


@pytest.mark.parametrize(
    "override",
    [
        "pruning.rate=0.31",
        "training.steps=31",
        "data.num_train=301",
        "measure.num_samples=81",
        "replicates=3",
        "conditions.random.pruning.rate=0.2",
        "network.batch_norm_eps=2e-5",
    ],
)
def test_the_digest_covers_every_field_and_defaults_too(override):
    assert load_recipe(PLANE, [override]).digest() != load_recipe(PLANE).digest()


def test_writing_a_default_out_does_not_change_the_digest():
    assert load_recipe(PLANE, ["network.activation=relu"]).digest() == load_recipe(PLANE).digest()


def test_overrides_are_toml_values_or_strings():
    assert parse_override("pruning.rate=0.2") == {"pruning": {"rate": 0.2}}
    assert parse_override("network.widths=[3, 4]") == {"network": {"widths": [3, 4]}}
    assert parse_override("pruning.rewind=step:4") == {"pruning": {"rewind": "step:4"}}
    with pytest.raises(InputError, match="not of the form key=value"):
        parse_override("pruning.rate")


def test_another_data_source_replaces_the_whole_table():
    assert merged({"data": {"source": "a", "n": 1}}, {"data": {"source": "b"}}) == {"data": {"source": "b"}}
    assert merged({"data": {"source": "a", "n": 1}}, {"data": {"n": 2}}) == {"data": {"source": "a", "n": 2}}


def test_steps_and_epochs_replace_each_other():
    assert load_recipe(PLANE, ["training.epochs=2"]).training.steps is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pruning.rat=0.2", r"pruning.rat is not a field of a recipe; did you mean rate\?"),
        ("prunning.rate=0.2", r"prunning is not a field of a recipe; did you mean pruning\?"),
        ("pruning.rate=1.5", "pruning.rate is 1.5: input should be less than 1"),
        ("pruning.rate=0", "pruning.rate is 0: input should be greater than 0"),
        ("pruning.rewind=sometimes", "'init', 'lr', 'none' and 'step:K'"),
        (
            "pruning.criterion=magnitud",
            r"no criterion is called 'magnitud'; did you mean magnitude\? \(registered: cavity, cavity-m",
        ),
        ("replicates=0", "replicates is 0: input should be greater than or equal to 1"),
        ("device=gpu", "device is 'gpu'"),
        ("network.activation=gelu", "network.activation is 'gelu': input should be 'relu'"),
        ("data.source=plain", r"no data source is called 'plain'; did you mean plane\?"),
        ("data.num_trains=3", r"num_trains is not a field of data source 'plane'; did you mean num_train\?"),
        ("data.num_inputs=0", "num_inputs is 0: input should be greater than 0"),
        ("data.clone=cubist", "data.clone is 'cubist'"),
        ("measure.instruments=['ruler']", "no instrument is called 'ruler'"),
        ("conditions.random.pruning.rate=7", "conditions.random: pruning.rate is 7"),
        (
            "conditions.random.prune.rate=0.1",
            r"conditions.random: prune is not a field .* did you mean pruning\?",
        ),
        ("name=../escape", "name is '../escape'"),
    ],
)
def test_wrong_fields_and_values_are_named_with_what_is_allowed(override, message):
    with pytest.raises(InputError, match=message):
        load_recipe(PLANE, [override])


def test_unknown_and_unreadable_recipes_are_named(tmp_path):
    with pytest.raises(InputError, match="did you mean photographs"):
        load_recipe("photograph")
    (tmp_path / "broken.toml").write_text("rate = = 3")
    with pytest.raises(InputError, match=r"broken.toml is not valid TOML"):
        load_recipe(tmp_path / "broken.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(
        InputError, match=r"binary.toml is not valid TOML: byte 2 \(0x00\) is not UTF-16; save"
    ):
        load_recipe(tmp_path / "binary.toml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_recipe(tmp_path)
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(InputError, match="data is missing; training is missing"):
        load_recipe(tmp_path / "empty.toml")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_recipes_are_read_as_windows_writes_them(tmp_path, encoding):
    text = Path(PLANE).read_text(encoding="utf-8").replace("\n", "\r\n")
    (tmp_path / "plane.toml").write_bytes(text.encode(encoding))
    assert load_recipe(tmp_path / "plane.toml").digest() == load_recipe(PLANE).digest()


def test_a_recipe_in_another_encoding_is_refused_with_the_mend(tmp_path):
    (tmp_path / "latin.toml").write_bytes('question = "größer?"'.encode("latin1"))
    with pytest.raises(InputError, match=r"latin.toml is not valid TOML: byte 14 .* save it as UTF-8"):
        load_recipe(tmp_path / "latin.toml")
