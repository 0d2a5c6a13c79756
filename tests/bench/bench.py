"""Measures what the plugins cost; started by tests/bench/run, which see."""

import argparse
import os
import pathlib
import sys

import common
import instructions
import push_costs
import scale
import times

PARTS = {
    "instructions": instructions.rows,
    "throughput": times.throughput_rows,
    "latency": times.latency_rows,
    "login": times.login_rows,
    "memory": times.memory_rows,
    "contacts": scale.rows,
    "push": push_costs.delivery_rows,
    "worker": push_costs.worker_rows,
}
HEAD = common.Row("", "plain", "with the plugins", "ratio", "target")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    options.parts = options.only.split(",")
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    return options


def table(rows):
    """Aligned, and Markdown as well."""
    cells = [(row.what, row.plain, row.ours, row.value, row.target)
             for row in (HEAD, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
             for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    [*_, model] = [line.partition(": ")[2] for line in text.splitlines()
                   if line.startswith("model name")] or ["unknown processor"]
    load = os.getloadavg()[0]
    return f"{len(os.sched_getaffinity(0))} cores of {model}, load {load:.1f} at the start"


def main():
    options = parse()
    work = pathlib.Path(os.environ["COI_WORK"])
    head = machine() + (" (--quick)" if options.quick else "")
    rows = []
    for name, measure in PARTS.items():
        if name in options.parts:
            for row in measure(options, work / "callgrind"):
                rows.append(row)
                print(f"{row.what}: {row.value}", flush=True)
    lines = [head, "", *table(rows)]
    if options.profile:
        for number, case in enumerate((common.OFF, common.ORDINARY, common.CHAT)):
            lines += ["", *instructions.profile(case, options, work / f"profile{number}")]
    (work / "table").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
