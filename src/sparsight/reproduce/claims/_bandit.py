"""Whether agents whose networks are pruned explore as well as dense ones."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._statistics import difference, final
from sparsight.reproduce._verdict import Rule

_STUDY = "bandit"


def _prediction(
    name: str, first: str, second: str, words: str, rule: Rule, *, control: str = "", decisive: bool = True
) -> Prediction:
    quantity = "bandit.regret"
    return Prediction(
        name=name,
        statement=f"regret over all steps as a share of that of random actions, {words}, same seeds",
        study=_STUDY,
        statistic=difference(final(quantity, first), final(quantity, second)),
        rule=rule,
        control=difference(final(quantity, control), final(quantity, second)) if control else None,
        control_statement=f"the same of the agent {control.replace('_', ' ')}" if control else "",
        decisive=decisive,
    )


CLAIM = Claim(
    name="bandit",
    statement=(
        "An agent that draws a member of a dense ensemble at every step loses less than one that trusts a "
        "single network, and pruning the members by magnitude to a tenth of their weights makes it lose more."
    ),
    source="after Osband et al., arXiv 2302.09205, who prune nothing",
    scope=(
        "Neural bandit of 100 actions with two inputs, 2000 steps where the paper has 10 000. Members differ "
        "in initial weights and batches alone and have no prior; they are pruned once, after a tenth of the "
        "steps. Every replicate has its own bandit. Directions are guesses, and 0.05 as the size that counts "
        "as none is ours."
    ),
    predictions=(
        _prediction(
            "explores", "dense", "greedy", "dense ensemble minus single network", Rule("below", -0.05),
            control="uniform",
        ),
        _prediction(
            "pruned", "magnitude_10", "dense", "members of density 10 % minus dense ones",
            Rule("above", 0.05), control="random_10",
        ),
        _prediction(
            "pruned_less", "magnitude_30", "dense", "members of density 30 % minus dense ones",
            Rule("above", 0.05), decisive=False,
        ),
        _prediction(
            "inputs", "dense", "beta", "dense ensemble minus exact Thompson sampling without inputs",
            Rule("below", -0.05), decisive=False,
        ),
    ),
    curves=((_STUDY, "bandit.regret"),),
)  # fmt: skip
