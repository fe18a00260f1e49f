"""Data: tasks to train on, made of random fields, photographs or files, and their clones.

_task: the `Task`, inputs with labels and a geometry; the batch of every training step
_sources: data sources by name; add one with the decorator `data_source`
_clones: Gaussian twins and phase clones of any task
  _class_moments: mean and covariance of each class; _gaussian_fits, _shrinkage: Gaussians fitted to them
  _whitening: coordinates in which all directions count alike
  _clone_storage: how the values of clones are stored
  _twin_leak: whether a fitted twin leaks; _kept_and_changed: what a clone keeps and changes, in numbers
_teacher: labels by a network that learned the task
_arrays, _given_labels, _datasets: tasks from arrays, tensors, datasets and loaders in memory
_representative_samples: some samples that stand for a split, also where it is sorted by class
_labels: noisy labels, merged classes
_description: which sources can be used here, and a summary of a task's data
_task_digests: whether data are still the same; _own_arrays: tasks that nobody else can change

fields: random fields
  _field_source: what all sources of fields share; _nlgp, _heavy_tailed, _pulses, _spins, _narrow_band,
    _equal_covariance, _mean_only: the sources
  _covariance, _gaussian_samplers: Gaussian fields without the pixels × pixels matrix
  _white_noise, _vector_loops: fast normal numbers and erf
images: pictures
  _photographs, _patches, _images, _mnist1d, _idx, _cifar, _imagenet, _npz: the sources
  _files, _batches, _standardise: shared steps of the published sets
  _picture_file, _picture_folders, _collection: picture files; _regions: patches; _resized: whole pictures
  _published_sets, _downloads, _cache: downloads with known digests, and converted arrays
"""

from sparsight.data import fields, images  # noqa: F401 - their sources are registered
from sparsight.data._clone_storage import is_compact as is_compact
from sparsight.data._clones import CLONES as CLONES, clone_task as clone_task
from sparsight.data._description import availability as availability, describe_task as describe_task
from sparsight.data._labels import (
    with_label_noise as with_label_noise,
    with_merged_classes as with_merged_classes,
    with_permuted_labels as with_permuted_labels,
)
from sparsight.data._own_arrays import read_only as read_only, with_own_arrays as with_own_arrays
from sparsight.data._sources import SOURCES as SOURCES, data_source as data_source
from sparsight.data._task import Task as Task
from sparsight.data._task_digests import task_digests as task_digests
from sparsight.data._teacher import with_teacher_labels as with_teacher_labels
from sparsight.data.fields._covariance import product_covariance as product_covariance
from sparsight.data.fields._equal_covariance import equal_covariance as equal_covariance
from sparsight.data.fields._mean_only import mean_only as mean_only
from sparsight.data.fields._nlgp import nlgp as nlgp, nlgp_sampler as nlgp_sampler
from sparsight.data.images._images import image_folder as image_folder
from sparsight.data.images._mnist1d import mnist1d as mnist1d
from sparsight.data.images._npz import npz as npz
from sparsight.data.images._patches import patches as patches
from sparsight.data.images._photographs import photographs as photographs
from sparsight.data.images._published_sets import PUBLISHED as PUBLISHED, download_set as download_set
