#!/usr/bin/env python3
"""Counts results: `check DIRECTORY LAYER` for what make check left in a build
directory, `program PASS|FAIL LOG` for one test program, `junit FILE` for
pytest; prints "passed failed skipped". `names FILE` prints the tests of a
junit file, one a line, sorted; `failed DIRECTORY LAYER` the logs of the
programs that failed."""

import pathlib
import re
import sys
import xml.etree.ElementTree

# The summary of a libcheck program: 87%: Checks: 8, Failures: 1, Errors: 0
CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)


def programs(directory, layer):
    """(result, log) of each test program of a layer, as automake saw them."""
    for trs in sorted(pathlib.Path(directory, "tests", layer).rglob("*.trs")):
        result = re.search(r"^:global-test-result: (\w+)", trs.read_text(), re.M)
        yield (result[1] if result else "ERROR"), trs.with_suffix(".log")


def count_program(result, log):
    """Its test cases if it is a libcheck program, else it counts as one."""
    if result == "SKIP":
        return 0, 0, 1
    match = CHECK.search(log.read_text(errors="replace"))
    checks, bad = (int(match[1]), int(match[2]) + int(match[3])) if match else (1, 0)
    # A program that died after its tests is a failure too.
    if result != "PASS":
        bad = max(bad, 1)
        checks = max(checks, bad)
    return checks - bad, bad, 0


def program(result, log):
    return count_program(result, pathlib.Path(log))


def check(directory, layer):
    counts = [count_program(*program) for program in programs(directory, layer)]
    return [sum(column) for column in zip(*counts)] or [0, 0, 0]


def cases(path):
    """name -> "failed", "skipped" or "passed"; the worst one wins, since a
    test that fails and whose teardown fails too stands there twice."""
    rank = ["passed", "skipped", "failed"]
    results = {}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = f'{case.get("classname")}::{case.get("name")}'
        tags = {child.tag for child in case}
        result = ("failed" if tags & {"failure", "error"} else
                  "skipped" if "skipped" in tags else "passed")
        results[name] = max(result, results.get(name, result), key=rank.index)
    return results


def junit(path):
    results = list(cases(path).values())
    return [results.count(result) for result in ("passed", "failed", "skipped")]


def main(verb, *args):
    if verb == "check":
        print(*check(*args))
    elif verb == "program":
        print(*program(*args))
    elif verb == "junit":
        print(*junit(*args))
    elif verb == "names":
        print("\n".join(sorted(cases(*args))))
    elif verb == "failed":
        for result, log in programs(*args):
            if result not in ("PASS", "SKIP"):
                print(f"-- {log}\n{log.read_text(errors='replace')}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
