"""A figure with its heading and its caption: what pages show and files hold."""

from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from sparsight.report._svg import inline_svg


@dataclass(frozen=True, eq=False)
class Panel:
    """A figure with its heading and caption.

    Attributes
    ----------
    name : str
        Distinct among the panels of a page.
    title : str
    ax : matplotlib.axes.Axes
    caption : str
    """

    name: str
    title: str
    ax: Axes
    caption: str

    @property
    def identifier(self) -> str:
        """The name in letters, digits and hyphens, for ids and file names."""
        plain = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in self.name)
        return "-".join(part for part in plain.split("-") if part)

    @property
    def figure(self) -> Markup:
        """The figure as an ``<svg>`` element of a page; lays the figure out anew."""
        return Markup(inline_svg(self.ax, f"f-{self.identifier}", f"{self.title}. {self.caption}"))
