"""The papers' claims: run their studies, and say whether each claim holds.

Asking the question:

claims: one file per claim; any module there with a `CLAIM` is found.
_claim: a claim, its predictions, and the findings on them.
_estimate: from one number per replicate to an interval and p-values: of a mean, a median, a ratio of means.
_verdict: from an interval to a verdict, by a rule that is data.
_holm: the correction for the number of predictions.
_registry: the claims by name.

Getting the answer:

_study, studies/*.toml: the runs that claims share, as recipes at three scales.
_one_neuron: a study without pruning, one ReLU neuron, simulated here.
_sample_complexity: a study of planted teachers and masked students, simulated here.
_mask_similarity, _rules: quantities of a study that are no part of a run; _rule_examples, what rules are
    learned from.
_statistics, _equal_accuracy, _feedback: from the results of a study to one number per replicate.
_reproduction: from a claim to its outcome.

Publishing it (``python -m sparsight.reproduce TABLES PAGE``):

_tables: an outcome as a JSON file.
_document, _figures: the page on the claims, made from these files alone.
"""

from sparsight.reproduce._claim import Claim as Claim, Finding as Finding
from sparsight.reproduce._registry import select_claims as select_claims
from sparsight.reproduce._reproduction import Outcome as Outcome, Studies as Studies, reproduce as reproduce
from sparsight.reproduce._tables import write_table as write_table
