import shutil
from itertools import product
from pathlib import Path

import pytest

from sparsight.errors import InputError
from sparsight.sweep import folder_of
from sparsight.sweep._settings import default_folder, load_sweep
from tests import toy  # noqa: F401 - registers the data source "plane"

PLANE = Path(__file__).parents[1] / "plane.toml"


@pytest.fixture
def cases_of(tmp_path):
    shutil.copy(PLANE, tmp_path)

    def load(text):
        (tmp_path / "mine.toml").write_text('recipe = "plane.toml"\n' + text)
        return load_sweep(tmp_path / "mine.toml")[1]

    return load


def test_a_grid_is_every_combination_the_last_field_fastest(cases_of):
    cases = cases_of("[grid]\npruning.rate = [0.2, 0.4]\ntraining.batch_size = [16, 32, 64]")
    found = [(case.recipe.pruning.rate, case.recipe.training.batch_size) for case in cases]
    assert found == list(product([0.2, 0.4], [16, 32, 64]))
    assert [tuple(case.values.values()) for case in cases] == found


def test_zipped_lists_go_together_at_every_point_of_the_grid(cases_of):
    cases = cases_of(
        "[grid]\nseed = [1, 2]\n[zip]\nnetwork.widths = [[8], [16]]\ntraining.learning_rate = [0.1, 0.05]"
    )
    found = [(c.recipe.seed, c.recipe.network.widths, c.recipe.training.learning_rate) for c in cases]
    assert found == [(1, (8,), 0.1), (1, (16,), 0.05), (2, (8,), 0.1), (2, (16,), 0.05)]


def test_explicit_cases_come_on_top_and_carry_every_varied_field(cases_of):
    cases = cases_of(
        "[grid]\npruning.rate = [0.2]\n[[cases]]\ntraining.optimizer = 'adam'\n"
        "[[cases]]\n'pruning.rate' = 0.6"
    )
    assert [case.values for case in cases] == [
        {"pruning.rate": 0.2, "training.optimizer": "sgd"},
        {"pruning.rate": 0.3, "training.optimizer": "adam"},
        {"pruning.rate": 0.6, "training.optimizer": "sgd"},
    ]


def test_a_whole_data_table_and_a_single_condition_can_be_varied(cases_of):
    cases = cases_of(
        "[grid]\ndata = [{source = 'plane', num_inputs = 8}, {source = 'bars'}]\n"
        "conditions.imp.pruning.rate = [0.5]"
    )
    assert [case.recipe.data.source for case in cases] == ["plane", "bars"]
    assert [case.recipe.condition("imp").pruning.rate for case in cases] == [0.5, 0.5]
    assert [case.recipe.condition("random").pruning.rate for case in cases] == [0.3, 0.3]


def test_fixed_values_and_replicates_hold_in_every_case(cases_of):
    cases = cases_of("replicates = 5\n[fixed]\ntraining.epochs = 2\n[grid]\nseed = [1, 2]")
    assert {(case.recipe.replicates, case.recipe.training.epochs) for case in cases} == {(5, 2)}
    assert {case.recipe.training.steps for case in cases} == {None}


def test_cases_that_come_to_the_same_are_one(cases_of):
    cases = cases_of("[grid]\npruning.rate = [0.2, 0.20]\n[[cases]]\npruning.rate = 0.2\nseed = 7")
    assert len(cases) == 1


def test_name_question_and_replicates_make_no_other_case(cases_of):
    text = "[grid]\npruning.rate = [0.2]\n"
    (first,) = cases_of(text)
    (second,) = cases_of("name = 'other'\nreplicates = 9\n" + text + "[fixed]\nquestion = 'Why?'")
    (third,) = cases_of(text + "[fixed]\npruning.min_density = 0.1")
    assert first.recipe.identity() == second.recipe.identity() != third.recipe.identity()


def test_shipped_recipes_are_found_by_name(cases_of, tmp_path):
    (tmp_path / "mine.toml").write_text('recipe = "nlgp-1d"\n[grid]\ndata.gains = [[1.0], [3.0]]')
    _, cases = load_sweep(tmp_path / "mine.toml")
    assert [case.recipe.data.model_extra["gains"] for case in cases] == [[1.0], [3.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gird]\nseed = [1]", "gird is not a field of a sweep; did you mean grid?"),
        ("[grid]\npruning.rat = [0.1]", r"mine.toml, case pruning.rat = 0.1: .*did you mean rate\?"),
        ("[grid]\npruning.rate = [0.1, 1.5]", "case pruning.rate = 1.5: pruning.rate is 1.5"),
        ("[grid]\ndata.gain = [1]", r"gain is not a field of data source 'plane'"),
        ("[grid]\npruning.rate = 0.1", "grid.pruning.rate is 0.1: input should be a valid list"),
        ("[grid]\npruning.rate = []", "pruning.rate has an empty list"),
        ("[grid]\nreplicates = [1, 2]", "replicates are the innermost axis"),
        ("[grid]\nname = ['a']", "name cannot be varied"),
        ("[zip]\nseed = [1, 2]\npruning.rate = [0.1]", "seed has 2, pruning.rate has 1"),
        ("[grid]\nseed = [1]\n[zip]\nseed = [2]", "seed is varied under grid and under zip"),
        (
            "[grid]\ndata = [{source = 'plane'}]\n[fixed]\ndata.num_inputs = 3",
            "data and data.num_inputs overlap",
        ),
        ("[[cases]]", "a table under cases is empty"),
        ("cases = 3", "cases is 3"),
        ("", "nothing is varied"),
        ("replicates = 0\n[grid]\nseed = [1]", "replicates is 0"),
        ("= 3", "is not valid TOML"),
    ],
)
def test_mistakes_are_told_with_their_place(cases_of, text, message):
    with pytest.raises(InputError, match=message):
        cases_of(text)


def test_missing_files_are_told(tmp_path):
    with pytest.raises(InputError, match=r"sweep .*none.toml.* cannot be read"):
        load_sweep(tmp_path / "none.toml")
    (tmp_path / "mine.toml").write_text('recipe = "none.toml"\n[grid]\nseed = [1]')
    with pytest.raises(InputError, match="no recipe or file is called"):
        load_sweep(tmp_path / "mine.toml")


def test_the_folder_does_not_depend_on_the_values(cases_of, tmp_path):
    cases_of("[grid]\nseed = [1]")
    path = tmp_path / "mine.toml"
    before = default_folder(load_sweep(path)[0])
    cases_of("[grid]\nseed = [1, 2]")
    assert default_folder(load_sweep(path)[0]) == before == folder_of(path) == Path("sweeps/mine")
    assert folder_of(tmp_path) == tmp_path
