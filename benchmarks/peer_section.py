"""The section of ``RESULTS.md`` on other libraries that train on kept weights."""

from collections.abc import Sequence

from benchmarks import pruning_on_peers, sparse_layers_of_peers as layers_of_peers, sparse_peers
from benchmarks.report import Section, Target, table
from benchmarks.sparse_peers import PeerRow

_QUICK_DENSITIES = (0.03, 0.01)


def peers_section(quick: bool, threads: int) -> Section:
    """Time a step on the layers of every peer, and a whole run on those of the fastest."""
    lines = [
        "The step of (a), with the hidden layers on the kept-weight layers of another library. Every peer is "
        "timed beside ours in a process of its own, after its outputs and gradients were compared with those "
        "of the dense layer.",
    ]
    targets, fastest = [], ""
    for number in sorted({1, threads}):
        rows, notes = _rows(number, quick)
        words = f"with {number} thread{'s' * (number > 1)}"
        lines += ["", f"{words.capitalize()}:", "", *_step_table(rows), *(f"\n{note}." for note in notes)]
        if not rows:
            continue
        best = fastest_by_density(rows)
        targets.append(Target(f"fastest peer / ours, least over densities {words}", min(best.values())[0], 4))
        fastest = min(best.items())[1][1]
    run = pruning_on_peers.run_in_a_process(fastest, threads, steps=4 if quick else 60)
    if isinstance(run, str):
        lines += ["", f"No whole run on a peer's layers: {run}."]
    else:
        lines += ["", *_run_lines(run, threads)]
        targets.append(Target(f"whole run on {run.peer} / ours", run.theirs / run.ours, 4))
    return Section("(h) Other libraries that train on kept weights", lines, targets)


def fastest_by_density(rows: Sequence[PeerRow]) -> dict[float, tuple[float, str]]:
    """Return for every density the least ratio theirs / ours, and the peer that has it."""
    found: dict[float, tuple[float, str]] = {}
    for row in rows:
        found[row.density] = min(found.get(row.density, (row.ratio, row.peer)), (row.ratio, row.peer))
    return found


def _rows(threads: int, quick: bool) -> tuple[list[PeerRow], list[str]]:
    densities = _QUICK_DENSITIES if quick else sparse_peers.DENSITIES
    rows, notes = [], []
    for peer in layers_of_peers.PACKAGES:
        least = layers_of_peers.LEAST_DENSITY.get(peer, 0.0)
        fitting = [density for density in densities if density >= least]
        found = sparse_peers.peer_rows(peer, threads, repeats=2 if quick else 5, densities=fitting)
        if isinstance(found, str):
            notes.append(found)
        else:
            if len(fitting) < len(densities):
                notes.append(f"{layers_of_peers.named(peer)} is not timed below density {least:g}")
            rows += found
    return rows, notes


def _step_table(rows: Sequence[PeerRow]) -> list[str]:
    cells = [
        [
            layers_of_peers.named(row.peer),
            f"{row.density:g}",
            "{:.1f} ({:.1f} to {:.1f})".format(*row.ours),
            "{:.1f} ({:.1f} to {:.1f})".format(*row.theirs),
            f"{row.ratio:.2f}",
            f"{row.error:.0e}",
        ]
        for row in rows
    ]
    head = ["peer", "density", "ours, ms", "theirs, ms", "theirs / ours", "largest error"]
    return table(head, cells)


def _run_lines(run: pruning_on_peers.PeerRun, threads: int) -> list[str]:
    return [
        f"Twenty rounds, as in (b), with {threads} thread(s), as a plain loop on the layers of {run.peer} "
        f"({run.levels_on_peer} levels; dense layers times masks on the others, where they are faster): "
        f"{run.theirs:.0f} s, ours {run.ours:.0f} s. Mean test accuracy over levels: "
        f"theirs {run.their_accuracy:.4f}, ours {run.our_accuracy:.4f}.",
    ]
