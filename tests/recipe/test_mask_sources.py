"""Conditions that take their masks from somewhere else: settings, order and refusals."""

import tomllib
from pathlib import Path

import pytest
import tomli_w

from sparsight.errors import InputError
from sparsight.prune import PruningSettings
from sparsight.recipe import MasksOf, Recipe, load_recipe, masks_of
from tests import toy  # noqa: F401 - registers the data source of plane.toml

PLANE = Path(__file__).parents[1] / "plane.toml"
TICKET = 'conditions.ticket.pruning.masks_from="imp"'


def recipe(*overrides):
    return load_recipe(PLANE, overrides)


def test_where_masks_come_from_is_read_from_one_string():
    assert masks_of(PruningSettings()) is None
    assert masks_of(PruningSettings(masks_from="windows")) is None
    assert masks_of(PruningSettings(masks_from="imp")) == MasksOf(None, "imp")
    assert masks_of(PruningSettings(masks_from="runs/a:imp")) == MasksOf(Path("runs/a"), "imp")
    assert masks_of(PruningSettings(masks_from=r"C:\runs\a:imp")) == MasksOf(Path(r"C:\runs\a"), "imp")
    for wrong in (":imp", "runs/a:"):
        with pytest.raises(InputError, match="give another condition, path/to/run:condition, or 'windows'"):
            masks_of(PruningSettings(masks_from=wrong))


def test_sources_are_followed_to_their_origin():
    chained = recipe(TICKET, 'conditions.other.pruning.masks_from="ticket"')
    assert chained.chain_of_sources("imp") == ["imp"]
    assert chained.chain_of_sources("other") == ["other", "ticket", "imp"]


def test_fields_that_choose_masks_are_those_of_the_source():
    ticket = recipe("pruning.rate=0.5", "pruning.scope=layer", TICKET).condition("ticket").pruning
    assert ticket.rewind == "step:5"
    dumped = ticket.model_dump()
    assert {"criterion", "rate", "max_levels", "scope"}.isdisjoint(dumped)
    assert PruningSettings(**dumped) == ticket
    windows = recipe("pruning.rate=0.5", 'conditions.w.pruning.masks_from="windows"').condition("w").pruning
    assert (windows.rate, windows.max_levels) == (0.5, 2)
    assert "criterion" not in windows.model_dump()


def test_a_resolved_recipe_reads_back_as_itself():
    for source in ("imp", "windows"):
        before = recipe(f'conditions.ticket.pruning={{masks_from="{source}",rearranged="layer"}}')
        again = Recipe.from_values(tomllib.loads(tomli_w.dumps(before.resolved())), "again")
        assert again == before
        assert again.digest() == before.digest()
    values = recipe().resolved() | {"conditions": {}, "pruning": {"masks_from": "windows"}}
    alone = Recipe.from_values(values, "alone")
    assert alone.condition_names() == ["base"]
    assert Recipe.from_values(alone.resolved(), "again").digest() == alone.digest()


def test_recipes_without_such_conditions_keep_the_hash_from_before_these_fields():
    assert {"masks_from", "masks_replicate_offset", "rearranged", "weights"}.isdisjoint(
        PruningSettings().model_dump()
    )


def test_the_number_of_replicates_counts_where_masks_of_another_seed_are_taken():
    def identity(replicates, offset):
        values = f'conditions.t.pruning={{masks_from="imp",masks_replicate_offset={offset}}}'
        return recipe(values, f"replicates={replicates}").identity()

    assert identity(3, 0) == identity(4, 0)
    assert identity(3, 1) != identity(4, 1)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (['conditions.t.pruning.masks_from="impp"'], "conditions.t: .*'impp', which is no condition .*imp"),
        (['conditions.t.pruning.masks_from="t"'], r"conditions.t: .* goes in a circle \(t → t\)"),
        (
            ['conditions.a.pruning.masks_from="b"', 'conditions.b.pruning.masks_from="a"'],
            r"goes in a circle \(a → b → a\)",
        ),
        (['conditions.t.pruning.masks_from="x/y:"'], "'x/y:'; give another condition"),
        (['conditions.t.pruning.masks_from=""'], "pruning.masks_from is ''"),
        (
            [TICKET, 'conditions.ticket.pruning.criterion="random"'],
            "criterion has no effect beside",
        ),
        ([TICKET, "conditions.ticket.pruning.rate=0.5"], "rate has no effect beside masks_from = 'imp'"),
        (
            ['conditions.w.pruning={masks_from="windows",scope="layer"}'],
            "scope has no effect beside masks_from = 'windows'",
        ),
        (['conditions.t.pruning.rearranged="layer"'], "rearranged is for masks of another origin"),
        (['conditions.t.pruning.weights="fresh"'], "weights is for masks of another origin"),
        (["conditions.t.pruning.masks_replicate_offset=1"], "offset is for masks of another"),
        ([TICKET, 'conditions.ticket.pruning.rearranged="rows"'], "rearranged is 'rows': input should be"),
        (
            [TICKET, 'conditions.ticket.pruning.weights="fresh"'],
            "weights = 'fresh' replaces initial values, but rewind is 'step:5': set rewind = 'init'",
        ),
        (
            [TICKET, "conditions.ticket.pruning.masks_replicate_offset=2"],
            "offset is 2, but with 2 replicates",
        ),
        (
            ['conditions.w.pruning={masks_from="windows",masks_replicate_offset=1}'],
            "windows belong to none",
        ),
        (['conditions.w.pruning={masks_from="windows",prune_biases=true}'], "windows are made of weights"),
        ([TICKET, "conditions.ticket.network.widths=[13]"], r"network.widths is \[13\], but \[12\] in 'imp'"),
        ([TICKET, "conditions.ticket.pruning.prune_output=true"], "pruning.prune_output is True, but False"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(overrides, message):
    with pytest.raises(InputError, match=message) as raised:
        recipe(*overrides)
    assert "\n" not in str(raised.value)


def test_the_recipe_of_tickets_changes_one_thing_in_each_condition():
    tickets = load_recipe("tickets")
    ticket = tickets.condition("imp")
    for name in tickets.condition_names():
        condition = tickets.condition(name)
        if name == "shuffled_labels":
            own = condition.data.model_copy(update={"label_noise": 0.0})
            assert (own, condition.network, condition.training, condition.pruning) == (
                ticket.data, ticket.network, ticket.training, ticket.pruning
            )  # fmt: skip
            continue
        assert (condition.data, condition.network, condition.training) == (
            ticket.data, ticket.network, ticket.training
        )  # fmt: skip
        assert condition.pruning.rewind == "init"
        if name not in ("imp", "one_shot", "random"):
            pruning = condition.pruning
            assert tickets.chain_of_sources(name) == [name, "imp"]
            assert (pruning.weights == "rewound") + (pruning.rearranged == "none") == 1
    photographs = load_recipe("tickets", ["data.source=photographs"])
    assert photographs.data.source == "photographs"
