"""The `console` blocks of a page of the documentation: what is typed, and what must come out."""

from __future__ import annotations

import re
from dataclasses import dataclass

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<'?(\w+)'?")
ANYTHING = "…"


@dataclass(frozen=True)
class Typed:
    """A command with its here-document, and the lines that it prints (none: not looked at; `…` stands for anything)."""

    command: str
    output: tuple[str, ...]

    def accepts(self, said: str) -> bool:
        """Say whether `said` is what the page shows."""
        if not self.output:
            return True
        pattern = "\n".join(self.output).replace(f"\n{ANYTHING}", ANYTHING)  # a line of its own may stand for none
        parts = (re.escape(part) for part in pattern.split(ANYTHING))
        return re.fullmatch(".*".join(parts), said.rstrip("\n"), re.DOTALL) is not None


def typed(page: str) -> list[Typed]:
    """Return the commands of a page's console blocks, in order."""
    return [found for block in BLOCK.findall(page) for found in _block(block)]


def _block(block: str) -> list[Typed]:
    found: list[Typed] = []
    command: list[str] = []
    output: list[str] = []
    until = ""
    for line in block.splitlines():
        if until:
            command.append(line)
            until = "" if line == until else until
        elif line.startswith("$ "):
            if command:
                found.append(Typed("\n".join(command), tuple(output)))
            command, output = [line[2:]], []
            here = HEREDOC.search(line)
            until = here[1] if here else ""
        else:
            output.append(line)
    return [*found, Typed("\n".join(command), tuple(output))] if command else found
