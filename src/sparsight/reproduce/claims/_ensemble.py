"""Whether pruning collapses the ensemble of its replicates: accuracy kept, joint predictions lost."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._localisation import FINAL_DENSITY, at_final_density
from sparsight.reproduce._statistics import dense, difference
from sparsight.reproduce._verdict import Rule

_STUDY = "ensemble"


def _change(quantity: str, condition: str) -> Statistic:
    """Return a quantity of the ensembles at the final density minus that of dense ones."""
    name = f"ensemble.{quantity}"
    return difference(at_final_density(name, condition), dense(name, condition))


def _prediction(
    name: str, statistic: str, words: str, rule: Rule, *, decisive: bool = True, beyond: bool = False
) -> Prediction:
    """Return a prediction on the tickets, with random pruning as its control."""
    found = [
        at_final_density(f"ensemble.{statistic}", each) if beyond else _change(statistic, each)
        for each in ("imp", "random")
    ]
    return Prediction(
        name=name,
        statement=f"ensembles of five, density {FINAL_DENSITY:.1%} minus dense: {words}",
        study=_STUDY,
        statistic=found[0],
        rule=rule,
        control=found[1],
        control_statement="the same of random pruning",
        decisive=decisive,
    )


CLAIM = Claim(
    name="ensemble",
    statement=(
        "Pruning by magnitude collapses the ensemble: tickets of different seeds are together as accurate as "
        "dense networks of these seeds, and their joint predictions are worse than those of a dense ensemble "
        "with equal marginal ones, because they disagree less."
    ),
    source="after Osband et al., arXiv 2302.09205, who do not ask it of tickets",
    scope=(
        "Fashion-MNIST, one draw of 10 000 pictures for all replicates, one hidden layer. Means over all "
        "ensembles of five of ten replicates, the jackknife's intervals over replicates: they cover initial "
        "weights and batches, and no other data. The direction is that of the question and not a finding. "
        "Definitions: docs/ensembles.md."
    ),
    predictions=(
        _prediction("accuracy_kept", "accuracy", "accuracy", Rule("above", -0.02)),
        _prediction(
            "joint_lost",
            "joint_beyond_matched",
            "−log p of ten labels drawn from two samples, in nats, at equal −log p of single labels",
            Rule("above", 0.1),
            beyond=True,
        ),
        _prediction(
            "disagree_less", "disagreement", "share of pairs that predict different classes",
            Rule("below", -0.01),
        ),
        _prediction(
            "joint_gain",
            "joint_gain",
            "ten times −log p of a label minus −log p of ten labels together, in nats",
            Rule("below", -0.1),
            decisive=False,
        ),
        _prediction(
            "calibration", "ece", "expected calibration error", Rule("within", 0.02), decisive=False
        ),
    ),
    curves=(
        (_STUDY, "ensemble.accuracy"), (_STUDY, "ensemble.joint_beyond_matched"),
        (_STUDY, "ensemble.disagreement"),
    ),
    computed=("ensemble",),
)  # fmt: skip
