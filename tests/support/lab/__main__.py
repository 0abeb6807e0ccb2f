"""`python -m lab list`, `python -m lab remove PREFIX…`, `python -m lab sweep`."""

from __future__ import annotations

import sys

from lab import nodes


def main(argv: list[str]) -> int:
    """List, remove or sweep labs."""
    match argv:
        case ["list"]:
            for prefix, owner in sorted(nodes.labs().items()):
                print(prefix, owner)
        case ["remove", *prefixes] if prefixes:
            for prefix in prefixes:
                nodes.remove(prefix)
        case ["sweep"]:
            for prefix in nodes.sweep():
                print("removed", prefix)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


sys.exit(main(sys.argv[1:]))
