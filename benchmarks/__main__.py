"""Run all benchmarks and write ``benchmarks/RESULTS.md``: ``python -m benchmarks``."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import peer_section, sections
from benchmarks.machine import machine, processor
from benchmarks.report import Section

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    names = ("step", "pruning", "cavity", "pairs", "fields", "growth", "together", "peers", "probes", "parts")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few sizes and repeats, only to see that it runs"
    )
    parser.add_argument("--only", action="append", choices=names, help="run only this one; may be repeated")
    parser.add_argument("--out", type=Path, default=RESULTS, help="results file (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads in (a), (b) and (h)")
    parser.add_argument("--peer", type=Path, help="a clone of SiftingFeatures or IMPforFCN")
    parser.add_argument("--peer-python", default=sys.executable, help="its interpreter, with tensorflow")
    parser.add_argument("--conv-emerge", type=Path, help="a clone of conv_emerge, for its field sampler")
    options = parser.parse_args()
    quick, threads = options.quick, options.threads
    benchmarks: dict[str, Callable[[], Section]] = {
        "step": lambda: sections.step_section(quick, threads, options.peer, options.peer_python),
        "pruning": lambda: sections.pruning_section(quick, threads),
        "cavity": lambda: sections.cavity_section(quick),
        "pairs": lambda: sections.pairs_section(quick),
        "fields": lambda: sections.fields_section(quick, options.conv_emerge),
        "growth": lambda: sections.growth_section(quick),
        "together": lambda: sections.together_section(quick),
        "peers": lambda: peer_section.peers_section(quick, threads),
        "probes": lambda: sections.probes_section(quick),
        "parts": lambda: sections.parts_section(quick),
    }
    chosen = [name for name in names if not options.only or name in options.only]
    where, start, found = machine(), time.perf_counter(), []
    for name in chosen:
        before = os.getloadavg()[0]
        found.append(benchmarks[name]())
        # Ratios compare both sides under the same load, but spread more on a busy machine. A benchmark of n
        # threads itself brings the load to n.
        found[-1].lines.insert(
            0, f"*{processor()}; load {before:.1f} before and {os.getloadavg()[0]:.1f} after.*\n"
        )
        print(found[-1].markdown(), flush=True)
    minutes = (time.perf_counter() - start) / 60
    options.out.write_text(results(found, where, quick, chosen, minutes), encoding="utf-8")
    print(f"{options.out} written, after {minutes:.1f} minutes")


def results(found: list[Section], where: list[str], quick: bool, chosen: list[str], minutes: float) -> str:
    missed = [
        f"- {section.title}: {target}" for section in found for target in section.targets if not target.met
    ]
    head = [
        "# Benchmarks",
        "",
        f"Written by `make bench` in {minutes:.1f} minutes ({', '.join(chosen)}). Values are medians, "
        "with minimum and maximum; both sides of every ratio were timed in this run on this machine.",
        *(
            ["", "**A quick run with few repeats: it shows that the benchmarks run; do not use its values.**"]
            * quick
        ),
        "",
        *where,
        "",
        "Missed targets:" if missed else "No target is missed.",
        *missed,
        "",
    ]
    return "\n".join([*head, *(section.markdown() for section in found)])


if __name__ == "__main__":
    main()
