"""What the lints share: the tree, C text without comments, and the verdict.

Each lint reads the tree named by $top_srcdir (or by its first argument),
prints `file:line: what is wrong' for each finding, and exits 1 if there was
one. lint-selftest shows that each of them can fail."""

import os
import pathlib
import re
import sys

# Everything that a person has written, and nothing that a build has made.
SOURCE_DIRS = ("src", "tests", "demo", "doc", "m4", ".ci")
TOP_FILES = ("Makefile.am", "configure.ac", "README.md", "NEWS", "SECURITY.md",
             "dovecot-coi.conf.example")
LIBTOOL = re.compile(r"m4/(libtool|lt.*)\.m4")  # what libtoolize puts beside our own
SUFFIXES = {".c", ".h", ".js", ".py", ".sh", ".md", ".am", ".m4", ".ac", ".example"}


class Lint:
    """One run: collects findings and tells the exit status."""

    def __init__(self):
        top = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("top_srcdir", ".")
        self.top = pathlib.Path(top)
        self.findings = 0

    def say(self, path, line, text):
        self.findings += 1
        print(f"{path}:{line}: {text}")

    def end(self):
        sys.exit(1 if self.findings else 0)

    def read(self, path):
        """The text of a file that must be there; "" and a finding if not."""
        try:
            return (self.top / path).read_text(encoding="utf-8")
        except OSError as error:
            self.say(path, 1, f"cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            self.say(path, 1, f"is not UTF-8: byte {error.start}")
        return ""

    def files(self, *dirs, suffixes=None):
        """The paths below dirs, relative to the top, sorted."""
        for directory in dirs:
            for folder, subdirs, names in os.walk(self.top / directory):
                subdirs[:] = sorted(name for name in subdirs if
                                    not name.startswith((".", "__", "node_modules")))
                for name in sorted(names):
                    path = pathlib.Path(folder, name)
                    if _is_text(path, suffixes):
                        yield str(path.relative_to(self.top))

    def all_files(self):
        yield from (name for name in TOP_FILES if (self.top / name).is_file())
        yield from (path for path in self.files(*SOURCE_DIRS)
                    if not LIBTOOL.fullmatch(path))


def _is_text(path, suffixes):
    if suffixes is not None:
        return path.suffix in suffixes
    return path.suffix in SUFFIXES or (path.suffix == "" and _is_script(path))


def _is_script(path):
    try:
        with open(path, "rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    # libtool's wrappers are scripts too, but nobody has written them
    return first.startswith(b"#!") and not (path.parent / ".libs").is_dir()


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


_C_TOKENS = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""",
                       re.S)


def strip_c(text, strings=True):
    """C without its comments, and without what stands in its strings; every
    other character keeps its place."""
    def blank(match):
        token = match[0]
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        if not strings:
            return token
        return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]
    return _C_TOKENS.sub(blank, text)


_BODY = re.compile(r"^\{$.*?^\}$", re.M | re.S)


def functions(text):
    """(first line of the body, last line, body) of each function of a C file.
    Functions have their brace on a line of its own: so says the dialect."""
    for match in _BODY.finditer(text):
        yield line_of(text, match.start()), line_of(text, match.end()), match[0]


def section(text, heading):
    """(text, line of its beginning) of a `## heading' section of Markdown."""
    match = re.search(rf"^## {re.escape(heading)}$\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return (match[1], line_of(text, match.start(1))) if match else ("", 1)


def subsections(text, first_line):
    """(heading, text, line) of each `### heading' in a section."""
    for match in re.finditer(r"^### (.*?)$\n(.*?)(?=^### |\Z)", text, re.M | re.S):
        yield match[1], match[2], first_line + line_of(text, match.start()) - 1
