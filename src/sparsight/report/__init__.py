"""Reports: the HTML page about one or several runs, its figures as files, movies, and TensorBoard logs.

Each module reads only from those above it:

_subjects: Subjects, the conditions of one or several runs, and their summaries over replicates.
_level_views: Levels of one layer read one after the other, and the order of its units.
_explorer: Receptive fields of all units and levels, packed for the page.
_evidence: Everything the pictures of one subject need, gathered in one pass over its levels.
_findings: Central quantities compared between subjects, with conclusions in words.
_caveats: What failed, is missing or undefined, or rests on too few replicates.
_provenance: Recipe, data, environment and times of a run; settings in which runs differ.
_svg: Plots as inline SVG in the colours of the page.
_panels: Plots with headings and captions.
_overlap_panels: The same for the overlap of masks and representations.
_tickets: Conditions at one density beside the ticket, random pruning and the dense network.
_transfer: Masks found on one kind of data and trained on another: pairs and numbers.
_transfer_panels: The same as matrices with captions.
_training_panels: Numbers over the steps within every level, as plots with captions.
_stability_panels: Loss and accuracy on the line between two copies, as plots with captions.
_mosaics: Images: receptive fields, and S(d) beside its expectation.
_answer: The first screen: a sentence a condition, the same units in each, two curves.
_page: The report, with template.html.j2, style.css.j2, explorer.js.j2 and folds.js.j2.
_figure_files: Every panel as SVG, PDF and PNG.
_overlap_files: Tables and figures of ``sparsight overlap``.
_ensemble_files: Table and figures of ``sparsight ensemble``.
_movie: Weights, masks or cavity effects over the levels, as GIF, WebP or MP4.
_tensorboard_log: Numbers of a run as TensorBoard events.

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
