"""The sections of ``RESULTS.md``: each benchmark with its targets."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import (
    cavity as cavity_benchmark,
    fields,
    growth,
    locality,
    parts,
    peer,
    probes,
    step,
    together,
)
from benchmarks.report import Section, Target, busiest_operations, spread, table
from sparsight.measure import cavity

QUICK_DENSITIES = (1.0, 0.03, 0.01)
STEP_GOALS = {0.3: 1.5, 0.1: 3, 0.03: 5, 0.01: 10}
"""How many times as fast as masked dense products a step is to be, by density."""


def step_section(quick: bool, threads: int, clone: Path | None, python: str) -> Section:
    lines = ["3072–1024–1024–10 with BatchNorm, batch 1000; medians over pairs of four steps each."]
    targets = []
    for number in sorted({1, threads}):
        torch.set_num_threads(number)
        rows = step.step_rows(QUICK_DENSITIES if quick else step.DENSITIES, repeats=3 if quick else 9)
        words = f"with {number} thread{'s' * (number > 1)}"
        lines += ["", f"{words.capitalize()}:", "", *_step_table(rows)]
        ratios = {row.density: row.ratio for row in rows}
        targets += [
            Target(f"at density {density:g} {words}", ratios[density], least)
            for density, least in STEP_GOALS.items()
            if density in ratios
        ]
        targets.append(Target(f"minimum over densities {words}", min(ratios.values()), 0.97))
    if clone is not None:
        lines += peer.peer_lines(clone, python, threads)
    section = Section("(a) One training step", lines, targets)
    if not all(target.met for target in targets):
        section.where_time_goes = f"at density 0.01, {_busiest_of_step(0.01)}"
    return section


def _step_table(rows: Sequence[step.StepRow]) -> list[str]:
    cells = [
        [
            f"{row.density:g}",
            _milliseconds(row.ours),
            _milliseconds(row.theirs),
            f"{row.ratio:.2f}",
            " ".join(row.sparse_layers) or "none",
        ]
        for row in rows
    ]
    return table(
        ["density", "ours, ms", "torch.nn.utils.prune, ms", "theirs / ours", "on kept weights"], cells
    )


def _busiest_of_step(density: float) -> str:
    ours, _ = step.our_step(step.white_task(), step.random_masks(density), step.crossovers(step.network()))
    return busiest_operations(ours)


def pruning_section(quick: bool, threads: int) -> Section:
    steps = 4 if quick else 60
    torch.set_num_threads(threads)
    rows = step.pruning_rows((0,) if quick else (0, 1), steps)
    timed = [(threads, row) for row in rows]
    if threads > 1 and not quick:  # how replicates run when they share the cores
        torch.set_num_threads(1)
        timed += [(1, row) for row in step.pruning_rows((0,), steps)]
    cells = [
        [str(number), str(row.seed), f"{row.ours:.1f}", f"{row.theirs:.1f}", f"{row.theirs / row.ours:.2f}"]
        for number, row in timed
    ]
    pairs = [pair for row in rows for pair in zip(row.our_accuracies, row.their_accuracies, strict=True)]
    difference = statistics.mean(a - b for a, b in pairs)
    lines = [
        f"20 rounds of 30 %, photographs, batch 1000, {steps} steps per level.",
        "",
        *table(["threads", "seed", "ours, s", "torch.nn.utils.prune, s", "theirs / ours"], cells),
        "",
        f"Test accuracy, ours − theirs at the same level, {threads} thread(s): mean {difference:+.4f}, "
        f"largest {max(abs(a - b) for a, b in pairs):.4f}.",
    ]
    targets = []
    for number in sorted({number for number, _ in timed}):
        ratio = statistics.median(row.theirs / row.ours for used, row in timed if used == number)
        targets.append(Target(f"whole run with {number} thread{'s' * (number > 1)}", ratio, 4))
    if len(rows) > 1:
        levels = zip(*(row.our_accuracies for row in rows), strict=True)
        noise = statistics.mean(statistics.stdev(level) for level in levels)
        lines[-1] += f" Standard deviation between seeds: {noise:.4f}."
        targets.append(Target("mean difference in accuracy", abs(difference), noise, at_most=True, unit=""))
    return Section(
        "(b) Twenty rounds of iterative magnitude pruning",
        lines,
        targets,
        "the first levels are dense and cost both sides the same; our side includes evaluation, data and the "
        "measurement of crossovers.",
    )


def _milliseconds(times: tuple[float, float, float]) -> str:
    middle, low, high = (1e3 * time for time in times)
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def cavity_section(quick: bool) -> Section:
    found = cavity_benchmark.measured(1 if quick else 3)
    rows = [
        ["six matrix products alone", spread(found.products), f"{found.rate:.0f} GFLOP/s"],
        ["cavity, density 1", spread(found.cavity), f"{found.share:.0%} of that rate"],
    ]
    words = {"numpy": "numpy", "scipy": "`scipy.stats.kurtosis`", "tuned": "tuned by hand"}
    for name, times in found.one_at_a_time.items():
        rows.append(
            [f"one weight at a time, {words[name]}", spread(times), f"{found.factor(name):.0f}× ours"]
        )
    for density, times in found.at_density.items():
        gain = statistics.median(found.cavity) / statistics.median(times)
        rows.append([f"cavity, density {density:g}", spread(times), f"{gain:.1f}× faster than dense"])
    sizes = (10**4, 10**5) if quick else (10**4, 10**5, 10**6)
    peaks = [cavity_benchmark.peak_of_process(number) for number in sizes]
    shown = ", ".join(f"{peak / 2**20:.0f} MiB" for peak in peaks)
    lines = [
        "3072×1024 weights, 10 000 samples, float32, one thread; loops over weights are timed on "
        f"{cavity_benchmark.NUM_TIMED_WEIGHTS} weights and extrapolated.",
        "",
        *table(["computation", "median (minimum to maximum)", "rate or ratio"], rows),
        "",
        f"Peak memory with {', '.join(f'{number:.0e}' for number in sizes)} samples in batches: {shown}.",
    ]
    targets = [
        Target("share of the matrix rate", 100 * found.share, 60, unit=" %"),
        Target("against one weight at a time in numpy", found.factor("numpy"), 100),
        Target("growth of the peak memory", peaks[-1] / peaks[0], 1.1, at_most=True),
    ]
    section = Section("(c) The cavity of every weight", lines, targets)
    if not all(target.met for target in targets):
        weight, inputs = cavity_benchmark.layer(1.0)
        section.where_time_goes = busiest_operations(lambda: cavity(weight, inputs))
    return section


def pairs_section(quick: bool) -> Section:
    found = locality.measured(1 if quick else 5)
    ratio = found.factor(found.over_pairs)
    rows = [
        ["ours", spread(found.ours), "1"],
        ["a loop over units, pairs in numpy", spread(found.in_numpy), f"{found.factor(found.in_numpy):.1f}"],
        ["a loop over pairs", spread(found.over_pairs), f"{ratio:.0f}"],
    ]
    lines = [
        "3072×1024 mask, density 10 %, every displacement and unit, both channel kinds, one thread.",
        "",
        *table(["computation", "median (minimum to maximum)", "relative to ours"], rows),
    ]
    return Section("(d) S(d)", lines, [Target("against a loop over pairs", ratio, 100)])


def fields_section(quick: bool, clone: Path | None) -> Section:
    number = 10_000 if quick else fields.NUM_MANY
    found = fields.main(1 if quick else 3, number, clone)
    measures = ("set-up", "batch", "many")
    rows = [
        [name, *(_seconds(times[measure]) if measure in times else "" for measure in measures)]
        for name, times in found.items()
    ]
    ours, dense = found["ours, torus"], found["dense"]
    lines = [
        "32×32 NLGP, gain 3, one thread. Set-up: the factor alone. Batch: 256 images, set-up included. "
        f"Many: {number} images, set-up included.",
        "",
        *table(["sampler", *(f"{measure}, s" for measure in measures)], rows),
    ]
    if clone is not None:
        theirs = found[fields.CONV_EMERGE]
        ratios = [
            f"{theirs[each][0] / ours[each][0]:.0f} times as long {words}"
            for each, words in (("batch", "as ours for a batch"), ("many", "for many images in one call"))
        ]
        lines += ["", f"The sampler of the clone of conv_emerge takes {', and '.join(ratios)}."]
    targets = [
        Target("a batch with set-up, dense / ours", dense["batch"][0] / ours["batch"][0], 100),
        Target("many images, dense / ours", dense["many"][0] / ours["many"][0], 100),
    ]
    pixels = number * math.prod(fields.SIZE)
    parts = fields.alone(fields.parts)
    where = (
        f"ours takes {1e9 * ours['many'][0] / pixels:.1f} ns per pixel; minimum processor time of its parts: "
        + ", ".join(f"{name} {each:.2f}" for name, each in parts.items())
        + f" ns. numpy's standard normals alone take {1e9 * fields.noise_seconds():.1f} ns. The target for "
        f"many images would be {1e9 * dense['many'][0] / pixels / 100:.2f} ns, but drawing the random bits "
        f"alone takes {parts['draw bits']:.2f}."
    )
    return Section("(e) Field sampling", lines, targets, where)


def _seconds(times: tuple[float, float, float]) -> str:
    return "{:.4g} ({:.4g} to {:.4g})".format(*times)


def growth_section(quick: bool) -> Section:
    found = growth.measured(only_small=quick)
    rows = [
        [
            each.axis,
            ", ".join(map(str, each.sizes)),
            ", ".join(f"{seconds:.2f}" for seconds in each.seconds),
            f"{each.time_slope:.2f}",
            ", ".join(f"{peak / 2**20:.0f}" for peak in each.peak_bytes),
            f"{each.memory_slope:.2f}",
        ]
        for each in found
    ]
    lines = [
        "Processor seconds, and peak memory above that of a process that only imports; one fresh process per "
        "size (`benchmarks/growth.py` describes the workload).",
        "",
        *table(["axis", "sizes", "s", "slope", "MiB", "slope"], rows),
    ]
    targets = [
        Target(f"{what} over {each.axis}", value, growth.TARGET, at_most=True, unit="")
        for each in found
        for what, value in (("time", each.time_slope), ("memory", each.memory_slope))
    ]
    return Section("(f) Growth: log-log slopes", lines, targets, "see the table: cost at every size.")


def together_section(quick: bool) -> Section:
    found = together.measured(repeats=2, cases=2) if quick else together.measured()
    rows = [
        [
            str(times.number),
            name,
            together.milliseconds(times.alone),
            together.milliseconds(times.together),
            f"{times.speedup:.2f}",
        ]
        for name, times in found.items()
    ]
    lines = [
        "A step of all replicates at density 0.3, one by one and as one program on stacked weights; one "
        "CPU thread. (It is meant for a GPU; none was available.)",
        "",
        *table(["replicates", "network", "one by one", "together", "one by one / together"], rows),
    ]
    return Section("(g) Replicates trained together", lines, [])


def probes_section(quick: bool) -> Section:
    names = ("nlgp-2d",) if quick else tuple(probes.LEVELS)
    found = {name: probes.measured(name, 1 if quick else probes.REPEATS) for name in names}
    sizes = (probes.MEMORY_SAMPLES,) if quick else (probes.MEMORY_SAMPLES, 4 * probes.MEMORY_SAMPLES)
    rows, cavities = [], {name: [] for name in names}
    for probe in probes.PROBES:
        cells = []
        for name in names:
            times = found[name][probe]
            cavities[name] += times.cavity
            cells += [spread(times.probe), f"{times.ratio:.2f}"]
        rows.append([probe, *cells, *_added(probe, sizes)])
    of_cavity = [cell for name in names for cell in (spread(cavities[name]), "1")]
    head = [cell for name in names for cell in (f"{name}: processor time", "over the cavity's")]
    lines = [
        "Processor seconds of each probe on dense levels, beside the cavity instrument in turn; one thread. "
        "Memory: what a fresh process adds at its peak on the first level, for "
        f"{' and '.join(map(str, sizes))} samples (`benchmarks/probes.py` describes the levels).",
        "",
        *table(
            ["probe", *head, *(f"MiB, {number} samples" for number in sizes)],
            [["cavity", *of_cavity, *_added("cavity", sizes)], *rows],
        ),
    ]
    targets = [
        Target(f"{probe} on {name}", found[name][probe].ratio, 1, at_most=True)
        for name in names
        for probe in probes.PROBES
    ]
    return Section(
        "(i) Probes of the whole network", lines, targets, 'see docs/decisions.md, "Probes are made cheaper".'
    )


def _added(probe: str, sizes: Sequence[int]) -> list[str]:
    return [f"{probes.added_bytes(probe, number) / 2**20:.0f}" for number in sizes]


def parts_section(quick: bool) -> Section:
    found = parts.measured(short=quick)
    whole = sum(found.values())
    rows = [[name, f"{seconds:.1f}", f"{seconds / whole:.0%}"] for name, seconds in found.items()]
    lines = [
        f"`sparsight run {parts.RECIPE}` and its report, one replicate of each condition, one process and "
        "one thread: processor seconds (`benchmarks/parts.py` says what is what).",
        "",
        *table(["part", "s", "share"], [*rows, ["all", f"{whole:.1f}", ""]]),
    ]
    return Section("(j) Where the time of the default run goes", lines)
