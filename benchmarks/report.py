"""Benchmark results as Markdown: tables, and whether each target is met."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Target:
    """A measured value and the value aimed for."""

    name: str
    found: float
    wanted: float
    at_most: bool = False
    unit: str = "×"

    @property
    def met(self) -> bool:
        """Whether the measured value meets the target."""
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        text = f"{self.name}: {self.found:.3g}{self.unit} (target {sign} {self.wanted:g}{self.unit}): "
        if self.met:
            return text + "met"
        return text + f"**missed**, at {self.found / self.wanted:.2f} of the target"


@dataclass
class Section:
    """The results of one benchmark.

    Attributes
    ----------
    lines : list of str
        The body, as Markdown.
    where_time_goes : str
        Markdown; shown if the section misses a target.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    where_time_goes: str = ""

    def markdown(self) -> str:
        """Return the section as text."""
        parts = [f"## {self.title}", "", *self.lines]
        if self.targets:
            parts += ["", *(f"- {target}" for target in self.targets)]
        if self.where_time_goes and not all(target.met for target in self.targets):
            parts += ["", f"Where the time goes: {self.where_time_goes}"]
        return "\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "| " + " | ".join(["---"] * len(head)) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def spread(times: Sequence[float], scale: float = 1.0, unit: str = "s") -> str:
    """Return the median with minimum and maximum, as text."""
    low, middle, high = (scale * f(times) for f in (min, statistics.median, max))
    return f"{middle:.3g} {unit} ({low:.3g} to {high:.3g})"


def busiest_operations(action: Callable[[], object], number: int = 6) -> str:
    """Return the torch operations that take most of an action's time, with their shares."""
    action()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        action()
    events = sorted(profile.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events) or 1
    shares = [f"`{event.key}` {event.self_cpu_time_total / whole:.0%}" for event in events[:number]]
    return ", ".join(shares) + " (of the processor time that torch's profiler sees)."
