import pytest

from sparsight.errors import InputError
from sparsight.reproduce._prose import fill_in, without_results


def _row(name, mean, verdict="supported", *, decisive=True, variant=""):
    effect = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "is_unbounded": False}
    control = {"mean": 0.0, "low": -0.01, "high": 0.01, "is_unbounded": False}
    return {
        "prediction": name, "effect": effect, "control": control, "verdict": verdict, "decisive": decisive,
        "variant": variant, "summary": "mean",
    }  # fmt: skip


TABLES = {
    "locality": {
        "claim": "locality",
        "statement": "It becomes local.",
        "verdict": "mixed",
        "findings": [
            _row("share", 0.25),
            _row("far", -0.4, "contradicted"),
            _row("near", 2.0, decisive=False),
            _row("share", 9.0, variant="half-width"),
        ],
    }
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("locality", "mixed"),
        ("locality.share", "0.25 [0.15, 0.35]"),
        ("locality.share.control", "0 [-0.01, 0.01]"),
        ("locality.far.verdict", "contradicted"),
        ("published: arXiv 1234.56789", "old"),
    ],
)
def test_a_place_gets_the_number_of_the_table(name, text):
    assert fill_in(f"It is <!--={name}-->old<!--/-->.", TABLES) == f"It is <!--={name}-->{text}<!--/-->."


@pytest.mark.parametrize("name", ["rules", "rules.minus_dense", "rules.minus_dense.control"])
def test_a_claim_without_a_table_was_not_run_yet(name):
    assert fill_in(f"<!--={name}--><!--/-->", TABLES) == f"<!--={name}-->not run yet<!--/-->"


def test_the_table_of_verdicts_has_decisive_numbers_only():
    filled = fill_in("<!--=verdicts-->\n<!--/-->", TABLES, "claims.md")
    assert "[locality](claims.md#locality): It becomes local. | **mixed** |" in filled
    assert "share 0.25 [0.15, 0.35]; far -0.4 [-0.5, -0.3]" in filled
    assert "near" not in filled
    assert fill_in(filled, TABLES, "claims.md") == filled


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("localty", "did you mean locality"),
        ("locality.shares", "did you mean share"),
        ("locality.share.contrl", "control and verdict are allowed"),
        ("locality.share.control.more", "no prediction"),
        ("causl", "no table is there for the claim 'causl'; did you mean causal"),
        ("rules.minus_dens", "the claim 'rules' has no prediction 'minus_dens'; did you mean minus_dense"),
        ("rules.minus_dense.verdct", "control and verdict are allowed"),
    ],
)
def test_a_wrong_name_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        fill_in(f"<!--={name}--><!--/-->", TABLES)


def test_text_without_results_holds_only_what_nothing_vouches_for():
    text = "near is 2.0 [1.9, 2.1] here, share <!--=locality.share-->0.25 [0.15, 0.35]<!--/-->"
    assert without_results(text) == "near is 2.0 [1.9, 2.1] here, share "
