from ._clone_storage import is_compact as is_compact
from ._clones import CLONES as CLONES, clone_task as clone_task
from ._kept_clones import is_kept as is_kept
from ._labels import (
    with_label_noise as with_label_noise,
    with_merged_classes as with_merged_classes,
    with_permuted_labels as with_permuted_labels,
)
from ._own_arrays import read_only as read_only, with_own_arrays as with_own_arrays
from ._shipped_sources import (
    SOURCES as SOURCES,
    availability as availability,
    data_source as data_source,
    describe_task as describe_task,
)
from ._task import Task as Task
from ._task_digests import task_digests as task_digests
from ._teacher import with_teacher_labels as with_teacher_labels
from .fields._belief_network import (
    BeliefNetwork as BeliefNetwork,
    Blanket as Blanket,
    learned_point_by_point as learned_point_by_point,
)
from .fields._covariance import product_covariance as product_covariance
from .fields._equal_covariance import equal_covariance as equal_covariance
from .fields._mean_only import mean_only as mean_only
from .fields._nlgp import nlgp as nlgp, nlgp_sampler as nlgp_sampler
from .images._images import image_folder as image_folder
from .images._mnist1d import mnist1d as mnist1d
from .images._npz import npz as npz
from .images._patches import patches as patches
from .images._photographs import photographs as photographs
from .images._published_sets import PUBLISHED as PUBLISHED, download_set as download_set
from .images._resampling import resampled as resampled
