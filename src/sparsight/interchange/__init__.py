"""Networks to and from other people's formats.

_hub: The folder layout of model hubs: ``config.json``, ``model.safetensors``, ``README.md``.
_peer: Levels of SiftingFeatures and IMPforFCN: ``IMP_itdata_*.pkl``, read without running them.
_pruned_state: State dicts with masks: the names of torch.nn.utils.prune, and weights with zeros baked in.
_state_files: Files of tensors, without running what they hold.
_stored_levels: Levels of a run as files for other people's code.
"""

from sparsight.interchange._hub import write_hub_folder as write_hub_folder
from sparsight.interchange._peer import read_peer_level as read_peer_level
from sparsight.interchange._stored_levels import export_level as export_level
