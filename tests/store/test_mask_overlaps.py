import numpy as np
import pytest
import torch

from sparsight.errors import InputError
from sparsight.measure import intersection_over_union, mask_overlap, student_interval
from sparsight.recipe import load_recipe
from sparsight.run import run_recipe
from sparsight.store import mask_overlaps, open_run, overlap_intervals
from tests.short_runs import PLANE

_SHORT = ["measure.instruments=[]", "replicates=3", "training.steps=10", "pruning.rewind=init"]


def _run(path, *overrides):
    run_recipe(load_recipe(PLANE, [*_SHORT, *overrides]), path, jobs=1)
    return open_run(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return _run(tmp_path_factory.mktemp("overlaps") / "run")


@pytest.fixture(scope="module")
def overlaps(run):
    return mask_overlaps(run, num_draws=20)


def _mask(run, condition, replicate, level, layer="linear_0"):
    return run.level(condition, replicate, level).masks[f"{layer}.weight"].numpy()


def test_every_pair_of_masks_is_there_once(overlaps):
    first = overlaps[(overlaps["null"] == "fan_in") & (overlaps["layer"] == "linear_0")]
    counts = first.groupby("between").size().to_dict()
    # Levels 1 and 2 of two conditions and three replicates; level 1 beside the last one.
    assert counts == {"seeds": 2 * 2 * 3, "conditions": 2 * 3, "levels": 2 * 3}
    assert not overlaps.duplicated(
        ["between", "condition", "other_condition", "replicate", "other_replicate", "level", "other_level",
         "layer", "null", "matched"]
    ).any()  # fmt: skip


def test_numbers_are_those_of_the_stored_masks(run, overlaps):
    for row in overlaps[~overlaps["matched"]].itertuples():
        a = _mask(run, row.condition, row.replicate, row.level, row.layer)
        b = _mask(run, row.other_condition, row.other_replicate, row.other_level, row.layer)
        assert row.iou == pytest.approx(intersection_over_union(a, b))
        assert row.excess == pytest.approx(row.iou - row.expected)
        assert row.density == pytest.approx(a.mean())
    nested = overlaps[(overlaps["between"] == "levels") & ~overlaps["matched"]]
    assert nested["iou"].to_numpy() == pytest.approx((nested["density"] / nested["other_density"]).to_numpy())


def test_random_masks_have_no_excess_between_seeds_within_the_interval(run):
    found = mask_overlaps(run, num_draws=100)
    chosen = found[(found["between"] == "seeds") & (found["condition"] == "random")]
    assert ((chosen["low"] <= 0) & (chosen["high"] >= 0)).mean() > 0.8
    table = overlap_intervals(chosen)
    assert (table["mean"].abs() < 0.08).all()


def test_the_same_run_again_has_the_same_masks(run, tmp_path):
    twin = _run(tmp_path / "twin")
    found = mask_overlaps(run, twin)
    assert set(found["between"]) == {"runs"}
    assert set(found["condition"]) == {"imp", "random"}
    assert (found["iou"] == 1).all()
    assert len(found) == 2 * 3 * 2 * 3  # conditions, replicates, levels, kinds


def test_matched_units_carry_their_order_to_the_next_layer(tmp_path):
    """A run whose second replicate is the first with its hidden units in another order."""
    from safetensors.numpy import load_file, save_file

    from sparsight.atomic import sha256_of
    from sparsight.store import read_sealed, write_sealed

    run = _run(
        tmp_path / "run", "network.widths=[12, 8]", "pruning.prune_output=true", "replicates=2"
    )  # fmt: skip
    rng = np.random.default_rng(0)
    orders = [rng.permutation(12), rng.permutation(8), np.arange(2)]
    for level in range(run.directory.num_levels("imp", 0)):
        source, target = (run.directory.level("imp", each, level) for each in (0, 1))
        packed, record = load_file(source / "masks.safetensors"), read_sealed(target / "level.json")
        for kind in ("masks", "next_masks"):
            inputs = np.arange(24)
            for depth, order in enumerate(orders):
                name = f"linear_{depth}.weight"
                masks = run.level("imp", 0, level)
                mask = getattr(masks, kind)[name].numpy()[order][:, inputs]
                packed[f"{kind}/{name}"] = np.packbits(mask.reshape(-1))
                inputs = order
        save_file(packed, target / "masks.safetensors")
        record["files"]["masks.safetensors"] = sha256_of(target / "masks.safetensors")
        write_sealed(target / "level.json", record)
    found = mask_overlaps(run, num_draws=2)
    between = found[(found["between"] == "seeds") & (found["condition"] == "imp")]
    assert (between[between["matched"]]["iou"] == 1).all()
    assert (between[~between["matched"] & (between["layer"] == "linear_1")]["iou"] < 0.9).all()
    assert set(between["layer"]) == {"linear_0", "linear_1", "linear_2"}


def test_intervals_are_over_replicates_and_between_seeds_the_jackknifes(overlaps):
    table = overlap_intervals(overlaps, "iou")
    row = table[
        (table["between"] == "seeds") & (table["condition"] == "imp") & (table["level"] == 1)
        & (table["null"] == "fan_in")
    ].iloc[0]  # fmt: skip
    chosen = overlaps[
        (overlaps["between"] == "seeds") & (overlaps["condition"] == "imp") & (overlaps["level"] == 1)
        & (overlaps["null"] == "fan_in")
    ]  # fmt: skip
    assert row["mean"] == pytest.approx(chosen["iou"].mean())
    assert row["low"] < row["mean"] < row["high"]
    assert row["num_replicates"] == 3
    pair = table[(table["between"] == "conditions") & (table["level"] == 1) & (table["null"] == "fan_in")]
    assert pair[["condition", "other_condition"]].to_numpy().tolist() == [["imp", "random"]]
    values = overlaps[
        (overlaps["between"] == "conditions") & (overlaps["level"] == 1) & (overlaps["null"] == "fan_in")
    ]["iou"]
    interval = student_interval(values.to_numpy())
    assert (pair["low"].iloc[0], pair["high"].iloc[0]) == pytest.approx((interval.low, interval.high))


def test_one_pair_of_seeds_has_a_mean_and_no_interval(overlaps):
    few = overlaps[(overlaps["replicate"] < 2) & (overlaps["other_replicate"] < 2)]
    table = overlap_intervals(few[few["between"] == "seeds"])
    assert table["mean"].notna().all()
    assert table["low"].isna().all()


def test_numbers_repeat_with_the_seed(run, overlaps):
    assert mask_overlaps(run, num_draws=20).equals(overlaps)
    assert not mask_overlaps(run, num_draws=20, seed=1).equals(overlaps)
    one = mask_overlaps(run, level=2, num_draws=20)
    assert set(one["other_level"]) == {2}
    assert set(one["between"]) == {"seeds", "conditions"}


def test_masks_that_cannot_be_compared_are_named(run, tmp_path):
    with pytest.raises(InputError, match="num_draws is 1"):
        mask_overlaps(run, num_draws=1)
    with pytest.raises(InputError, match="no two masks to compare at level 9"):
        mask_overlaps(run, level=9)
    with pytest.raises(InputError, match="quantity is 'cka'"):
        overlap_intervals(mask_overlaps(run, level=1, num_draws=2), "cka")
    dense = _run(tmp_path / "dense", "pruning.max_levels=0", "replicates=1")
    with pytest.raises(InputError, match="no two masks to compare"):
        mask_overlaps(dense)
    wider = _run(tmp_path / "wider", "network.widths=[13]", "replicates=1")
    with pytest.raises(InputError, match=r"linear_0 \(12, 24\).*linear_0 \(13, 24\)"):
        mask_overlaps(run, wider)


def test_two_empty_masks_have_a_mean_of_the_other_pairs(overlaps):
    damaged = overlaps[(overlaps["between"] == "seeds")].copy()
    damaged.loc[damaged.index[0], ["iou", "excess"]] = np.nan
    assert overlap_intervals(damaged)["mean"].notna().all()


def test_matching_alone_raises_the_overlap_of_random_masks_and_its_expectation():
    torch.manual_seed(0)
    a, b = (torch.rand(12, 24).numpy() < 0.3 for _ in range(2))
    plain, matched = (mask_overlap(a, b, match=match) for match in (False, True))
    assert matched.iou > plain.iou
    assert matched.expected > plain.expected + 0.05
