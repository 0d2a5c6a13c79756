"""What stands in tests/vectors, for those who need more of it than one test."""

import pathlib

VECTORS = pathlib.Path(__file__).parents[2] / "vectors"


def endpoints(word):
    """The lines of webpush-endpoints with that word, without it; the file says
    what the words mean. What a name resolves to is a list of addresses, `rebind'
    a pair of such lists."""
    lines = (VECTORS / "webpush-endpoints").read_text().splitlines()
    values = [line[len(word) + 1:] for line in lines if line.startswith(f"{word} ")]
    if word in ("name", "alias"):
        return [value.split(" ") for value in values]
    if word == "rebind":
        return [[part.split(" ") for part in value.split(" | ")] for value in values]
    return values
