from ._figure_files import write_figures as write_figures
from ._findings import differences as differences
from ._movie import write_movie as write_movie
from ._overlap_files import write_overlap_files as write_overlap_files
from ._page import write_report as write_report
from ._subjects import Summaries as Summaries
from ._tensorboard_log import TensorBoardLog as TensorBoardLog
from ._tickets import ticket_table as ticket_table
