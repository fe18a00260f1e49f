"""Networks to and from other projects' formats.

Written for other tools:

_stored_levels: one stored level of a run, in any of the formats below.
_onnx: a network with the standardisation of its inputs, for ONNX runtimes; optional.
_hub: the folder of a model hub, ``config.json``, ``model.safetensors`` and ``README.md``; also reads it back.
_hub_config: its ``config.json``.

Read from other tools:

_peer: a level of SiftingFeatures or IMPforFCN, ``IMP_itdata_*.pkl``; the pickle is not executed.

Shared by both:

_pruned_state: state dicts with masks, under the names of torch.nn.utils.prune or with zeros baked in.
_sparse_state: state dicts of kept weights only, as compressed sparse rows.
_state_layouts: where a checkpoint keeps its state dict, and which of its entries are masks.
_state_files: state dicts as files; nothing in a file is executed. _unreadable_states: why a file is refused.
_input_scale: how raw inputs become those that a network was trained on.
"""

from sparsight.interchange._hub import (
    read_hub_folder as read_hub_folder,
    write_hub_folder as write_hub_folder,
)
from sparsight.interchange._input_scale import InputScale as InputScale, read_input_scale as read_input_scale
from sparsight.interchange._peer import read_peer_level as read_peer_level
from sparsight.interchange._pruned_state import (
    PrunedState as PrunedState,
    from_prune_names as from_prune_names,
    from_zeros as from_zeros,
    to_prune_names as to_prune_names,
)
from sparsight.interchange._sparse_state import from_csr as from_csr, to_csr as to_csr
from sparsight.interchange._state_files import read_state as read_state, write_state as write_state
from sparsight.interchange._stored_levels import export_level as export_level
