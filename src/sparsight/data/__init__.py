"""Data: tasks to train on, made of random fields, photographs or files, and their clones.

_task: the `Task`, inputs with labels and a geometry; the batch of every training step
_sources: data sources by name; add one with the decorator `data_source`; with the shipped ones,
  _shipped_sources
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
    _equal_covariance, _mean_only, _planted_teacher, _belief: the sources
  _belief_network: networks of binary nodes
  _covariance, _gaussian_samplers: Gaussian fields without the pixels × pixels matrix
  _white_noise, _vector_loops: fast normal numbers and erf
images: pictures
  _photographs, _patches, _images, _mnist1d, _idx, _cifar, _imagenet, _npz: the sources
  _files, _batches, _standardise: shared steps of the published sets
  _resampling, _frequency_selective: kernels that change the size of a picture
  _picture_file, _picture_folders, _collection: picture files; _regions: patches; _resized: whole pictures
  _published_sets, _downloads, _cache: downloads with known digests, and converted arrays

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
