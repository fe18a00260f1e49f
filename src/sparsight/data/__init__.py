"""Tasks to train on: random fields, photographs, image files, and their Gaussian and phase clones.

_clone_storage: Where the values of a clone are kept: float32, or uint8 where that would be too large.
_clones: Clones of a task: data that keep its low-order statistics and lose the rest.
_description: What a data source holds, and which sources are here.
_labels: The same inputs with labels that say less: noisy ones, or classes put together.
_sources: Data sources by name, so that a recipe can name one and a user can add one.
_task: A task: train and test inputs with labels and geometry, and the batch of every step.
fields._covariance: Stationary Gaussian fields: their covariance, and samples without the pixels × pixels ma
fields._field_source: A task from one sampler of fields per class: labels, splits, and fresh samples for every
fields._nlgp: Random fields to tell apart: Gaussian, and Gaussian passed through a saturating nonlinearity
fields._heavy_tailed: Random fields with heavier tails than a Gaussian field of the same covariance, which i
fields._pulses: Sums of pulses at random places: non-Gaussian by their number, with a Gaussian twin of
fields._spins: Fields of lattice physics, on a torus: the Ising model and φ⁴, sampled with cluster fli
fields._vector_loops: Loops over single-precision numbers that the compiler turns into vector instructions.
fields._white_noise: White noise, several times as fast as NumPy's: drawing it is a large part of the cost o
images._cache: The one folder outside a run that sparsight writes to, and arrays that are kept there.
images._cifar: CIFAR-10 from a folder of the user's: the python or the binary version.
images._downloads: Files from elsewhere: over https or from this machine, of a known SHA-256, whole or not a
images._idx: IDX files: MNIST, Fashion-MNIST and their like, gzipped or not.
images._imagenet: Downsampled ImageNet from a folder of the user's, kept on disk as bytes.
images._npz: A user's own arrays: one .npz file.
images._photographs: Colour patches of the photographs that ship inside scikit-image.
images._pickled_array: What numpy writes into a pickle, rebuilt by functions that check every argument first
images._published_sets: Data sets that can be downloaded: where they are published, and the SHA-256 of what
images._restricted_pickle: Pickled data sets read by an interpreter that knows arrays, containers and number
images._standardise: From raw image arrays to a task: splits, and one scale for each channel.
"""

from sparsight.data import fields, images  # noqa: F401 - their sources are registered
from sparsight.data._clone_storage import is_compact as is_compact
from sparsight.data._clones import clone_task as clone_task
from sparsight.data._description import availability as availability, describe_task as describe_task
from sparsight.data._labels import (
    with_label_noise as with_label_noise,
    with_merged_classes as with_merged_classes,
)
from sparsight.data._sources import SOURCES as SOURCES, Source as Source, data_source as data_source
from sparsight.data._task import Task as Task
from sparsight.data.fields._covariance import product_covariance as product_covariance
from sparsight.data.fields._nlgp import nlgp as nlgp, nlgp_sampler as nlgp_sampler
from sparsight.data.images._npz import npz as npz
from sparsight.data.images._photographs import photographs as photographs
from sparsight.data.images._published_sets import PUBLISHED as PUBLISHED, download_set as download_set
from sparsight.data.images._restricted_pickle import read_restricted_pickle as read_restricted_pickle
