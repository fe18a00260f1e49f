"""The recipes that are shipped.

_claim: A claim: what it says, the predictions it makes, and how each of them is decided.
_document: The page on the claims, written from their result tables alone.
_feedback: Whether what a unit has at one level predicts what it gains until the next.
_figures: Figures of a claim, from its result table: its predictions, and its quantities over density.
_one_neuron: One ReLU neuron on nonlinear Gaussian processes, no pruning: the ancestors' curve of ipr over g
_registry: The claims by name: every file in `sparsight.reproduce.claims` that defines a `CLAIM`.
_reproduction: From a claim to its verdict: run its studies, or find them run, and look at what they say.
_statistics: From the stored results of a study to one number a replicate.
_study: A study: the runs that claims share, as a recipe at three scales, and its results as arrays.
_tables: The result table of a claim: one JSON file that a page can be written from without the runs.
_verdict: From an interval to a verdict: the rule is data, written down before anything is run.
claims._causal: Claim 6: pruning by what a weight adds to non-Gaussianity is enough to make receptive fields
claims._cavity: Claim 4: the weights that pruning keeps raise their unit's non-Gaussianity more than those i
claims._data_and_labels: Claim 8: more data and more meaningful labels make receptive fields more local.
claims._feedback: Claim 5: units whose kept weights raise non-Gaussianity more become local faster.
claims._locality: Claim 1: iterative magnitude pruning makes receptive fields local.
claims._more_than_twin: Claim 2, graded: the less Gaussian the inputs at equal covariance, the more local th
claims._necessity: Claim 2, strictly: without non-Gaussian inputs receptive fields do not become local.
claims._non_gaussianity: Claim 3: pruning makes pre-activations less Gaussian, beyond what fewer summands gi
claims._one_neuron: The ancestors' numbers: one neuron localises once the gain is large, without any pruning
claims._sign_and_kind: Claim 7: which kind of non-Gaussian inputs makes receptive fields more local than Gau
"""

from sparsight.reproduce._claim import Claim as Claim
from sparsight.reproduce._registry import all_claims as all_claims, claims_named as claims_named
from sparsight.reproduce._reproduction import Outcome as Outcome, Studies as Studies, reproduce as reproduce
from sparsight.reproduce._study import scale_named as scale_named
from sparsight.reproduce._tables import write_table as write_table
