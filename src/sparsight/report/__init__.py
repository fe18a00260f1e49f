"""Reports: figures and the page that holds them.

_caveats: What a reader must know before believing a run: what failed, is missing, undefined or too few.
_curves: The panels of quantities over density, with and without their controls.
_evidence: One pass over the levels of a condition: what its pictures need, and no more than that in memory.
_explorer: The receptive fields of a run, packed small enough to be carried inside the page.
_figure_files: Every panel of a run as a file, for papers and talks.
_findings: What came out, in words and numbers computed from the summaries alone.
_mosaics: Pictures that a page carries as images: receptive fields, and S(d) beside chance at every level.
_movie: Masks or weights of a layer over the levels, as an animation.
_page: The report: one HTML file that opens from disk and asks nothing of the network.
_panel: A figure with its heading and its caption: what pages show and files hold.
_panels: The panels of S(d), fan-in and fan-out, cavity effects, single units, and differences.
_provenance: How to do a run again: its recipe, data, machine, and what sets it apart from the runs beside i
_subjects: What a page is about: the conditions of one run, or of several side by side, and their summaries.
_svg: A figure as SVG to be set inside a page: it takes the page's colours, and asks for nothing from outsid
_tensorboard_log: A run's numbers as TensorBoard events, for those who watch several runs at once.
"""

from sparsight.report._figure_files import write_figures as write_figures
from sparsight.report._movie import write_movie as write_movie
from sparsight.report._page import write_page_of as write_page_of, write_report as write_report
from sparsight.report._tensorboard_log import TensorBoardLog as TensorBoardLog
