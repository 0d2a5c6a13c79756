"""Reads what callgrind writes: which function called which, and at what cost.
callgrind_annotate shows no inclusive cost for a function whose lines come from
several files, as inlining makes them."""

import collections
import re

NAME = re.compile(r"\((\d+)\)(?: (.*))?$")


class Profile:
    """own: (function, object) -> instructions. calls: caller -> callee ->
    instructions of the callee and all below it."""

    def __init__(self, path):
        self.own = collections.Counter()
        self.calls = collections.defaultdict(collections.Counter)
        self.names = {}
        self.object = self.callee_object = self.function = self.callee = None
        self.calling = False
        with open(path, encoding="utf-8") as file:
            for line in file:
                self._line(line.rstrip("\n"))

    def _line(self, line):
        key, equals, value = line.partition("=")
        if not equals:
            if line[:1].isdigit() or line[:1] in ("+", "-", "*"):
                self._cost(line)
        elif key == "ob":
            self.object = self._name("ob", value)
        elif key == "cob":
            self.callee_object = self._name("ob", value)
        elif key == "fn":
            self.function = self._name("fn", value), self.object
        elif key == "cfn":
            self.callee = self._name("fn", value), self.callee_object or self.object
            self.callee_object = None
        elif key == "calls":
            self.calling = True

    def _name(self, kind, value):
        """A name is written once, and later only its number."""
        number, name = NAME.match(value).groups()
        if name is not None:
            self.names[kind, number] = name.rpartition("/")[2]
        return self.names[kind, number]

    def _cost(self, line):
        cost = int(line.split()[-1])
        if self.calling:
            self.calls[self.function][self.callee] += cost
        else:
            self.own[self.function] += cost
        self.calling = False

    def total(self, function):
        return self.own[function] + sum(self.calls[function].values())
