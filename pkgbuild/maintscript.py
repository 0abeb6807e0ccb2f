"""What the commands of a maintainer script are, and under which conditions they run; pure, no shell is started.

Scripts are read as people and debhelper write them: `if`, `case "$1"`, `&&`, plain variables. What is hidden better than
that (a guard in a function, a command put together from pieces) counts as unguarded, which is the safe side.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kubedeb.records import frozen

SHELL = re.compile(r"#!\s*(/usr)?/bin/(env\s+)?(sh|dash|bash)\b")
OPERATORS = frozenset({";", ";;", "&&", "||", "|", "&", "(", ")", "\n", "|&", ";&"})
OPERATOR = re.compile(r";;|;&|&&|\|\||\|&|[;&|()]")
OPERATOR_RUN = re.compile(r"[;&|()]+")
KEYWORDS = frozenset({"then", "else", "elif", "if", "do", "done", "while", "until", "!", "time", "{", "}", "fi", "esac"})
OPENING = frozenset({"if", "elif", "case"})
# Words that stand before a command; an option or a number after them is read past too.
WRAPPERS = frozenset({"exec", "env", "command", "nohup", "sudo", "nice", "ionice", "setsid", "timeout"})
INTERPRETERS = frozenset({"sh", "dash", "bash", "su", "eval", "runuser"})
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")
HERE_DOCUMENT = re.compile(r"<<-?\s*[\"']?([A-Za-z_]\w*)")
FIRST_IS = re.compile(r"\$\{?1(?:[:-]+)?\}? ==? ([a-z-]+)(?: |$)")
SUBJECTS = frozenset({"$1", "${1}", "${1:-}"})
REMOVING = frozenset({"remove", "purge", "disappear"})
DEPTH = 3
QUOTED_LINES = 100


@frozen
class Command:
    """One simple command of a script.

    `line` is where it begins, `text` that line as written; `words` have the script's own variables filled in (a variable with
    two values makes two commands); `actions` are the values of `$1` that it runs for, None when it may be any; `conditions`
    the `if`s around it.
    """

    line: int
    text: str
    words: tuple[str, ...]
    actions: frozenset[str] | None
    conditions: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the program without its folder; an init script keeps it."""
        word = self.words[0]
        return word if word.startswith("/etc/init.d/") else PurePosixPath(word).name

    @property
    def on_removal(self) -> bool:
        """Say whether it runs only when the package goes away."""
        return self.actions is not None and self.actions <= REMOVING


@dataclass
class _Block:
    """An open `if` or `case`: its condition or subject, whether that is still being read, and the values of `$1` it lets in."""

    kind: str
    condition: list[str] = field(default_factory=list)
    reading: bool = True
    actions: frozenset[str] | None = None


def is_shell(script: str) -> bool:
    """Say whether a shell runs the script."""
    first = script.split("\n", 1)[0]
    return not first.startswith("#!") or SHELL.match(first) is not None


def commands(script: str) -> list[Command]:
    """Return the commands of a shell script in order."""
    reader = _Reader()
    return [command for number, text, tokens in _logical_lines(script) for command in reader.line(number, text, tokens)]


def _logical_lines(script: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (number, first line as written, tokens): quotes and `\\` over several lines are one, here-documents left out."""
    lines = enumerate(script.split("\n"), 1)
    for number, line in lines:
        whole = line
        tokens = _tokens(whole)
        for _ in range(QUOTED_LINES):
            if tokens is not None and not whole.endswith("\\"):
                break
            more = next(lines, None)
            if more is None:
                break
            whole = whole.removesuffix("\\") + (" " if whole.endswith("\\") else "\n") + more[1]
            tokens = _tokens(whole)
        if tokens is None:  # quotes that never close: taken for what a plain reading sees
            tokens = whole.replace('"', " ").replace("'", " ").split()
        if here := HERE_DOCUMENT.search(whole):
            next((None for _, text in lines if text.strip() == here[1]), None)
        if tokens:
            yield number, line.strip(), tokens


def _tokens(text: str) -> list[str] | None:
    """Return words and operators, comments left out; None when a quote does not close."""
    if text.lstrip().startswith("#"):
        return []
    text = re.sub(r"(?<=[\s;])#.*", "", text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return [part for word in lexer for part in (OPERATOR.findall(word) if OPERATOR_RUN.fullmatch(word) else [word])]
    except ValueError:
        return None


class _Reader:
    """Follows blocks and assignments from line to line."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._values: dict[str, list[str]] = {}

    def line(self, number: int, text: str, tokens: Sequence[str], depth: int = 0) -> Iterator[Command]:
        """Yield the commands of one logical line."""
        words: list[str] = []
        guard: list[str] = []  # `[ … ] &&` before the command
        for piece in (*tokens, "\n"):
            if self._reads_pattern(piece):
                continue
            if piece not in OPERATORS:
                if words or not self._keyword(piece):
                    words.append(piece)
                if piece not in OPENING and self._blocks and self._blocks[-1].reading:
                    self._blocks[-1].condition.append(piece)
                continue
            if words:
                yield from self._command(number, text, words, guard, depth)
            guard = [*guard, *words] if piece == "&&" and words[:1] in (["["], ["test"], ["[["]) else []
            words = []
            self._operator(piece)

    def _reads_pattern(self, piece: str) -> bool:
        """Take in a `case`'s subject and its patterns; say whether the piece was one."""
        block = self._blocks[-1] if self._blocks else None
        if block is None or block.kind != "case" or not block.reading or piece == "esac":
            return False
        if piece == ")":
            subject, *patterns = block.condition or [""]
            block.actions = frozenset(patterns) if subject in SUBJECTS else None
            block.condition, block.reading = [subject], False
        elif piece not in ("in", "(", "|", "\n", ";"):
            block.condition.append(piece)
        return True

    def _keyword(self, piece: str) -> bool:
        """Follow a keyword at a command's beginning; say whether it was one."""
        block = self._blocks[-1] if self._blocks else _Block("none")
        if piece in ("if", "case"):
            self._blocks.append(_Block(piece))
            return True
        if piece in ("fi", "esac") and self._blocks:
            self._blocks.pop()
        elif piece == "then":
            block.reading, block.actions = False, _actions(block.condition)
        elif piece in ("elif", "else"):
            block.condition, block.reading, block.actions = [], piece == "elif", None
        return piece in KEYWORDS

    def _operator(self, piece: str) -> None:
        if not self._blocks:
            return
        block = self._blocks[-1]
        if piece == ";;" and block.kind == "case":
            block.condition, block.reading, block.actions = block.condition[:1], True, None
        elif block.reading:
            block.condition.append(piece)

    def _command(self, number: int, text: str, words: list[str], guard: list[str], depth: int) -> Iterator[Command]:
        while words and (match := ASSIGNMENT.fullmatch(words[0])):
            self._values.setdefault(match[1], []).append(match[2])
            words = words[1:]
        while words and PurePosixPath(words[0]).name in WRAPPERS and words[1:2] not in (["-v"], ["-V"]):
            words = words[1:]
            while words and re.match(r"-|[0-9]+[smh]?$|\w+=", words[0]):
                words = words[1:]
        if not words:
            return
        known = [block.actions for block in self._blocks] + [_actions(guard)]
        sets = [actions for actions in known if actions is not None]
        actions = frozenset.intersection(*sets) if sets else None
        conditions = tuple(" ".join(block.condition) for block in self._blocks)
        for filled in self._filled(words):
            yield Command(number, text, tuple(filled), actions, conditions)
            if PurePosixPath(filled[0]).name in INTERPRETERS and depth < DEPTH:
                inner = " ".join(filled[1:]) if filled[0] == "eval" else " ; ".join(word for word in filled[1:] if " " in word)
                yield from self.line(number, text, _tokens(inner) or [], depth + 1)

    def _filled(self, words: list[str]) -> Iterator[list[str]]:
        """Yield the words with the first variable that the script sets filled in, once for each value it is given."""
        names = (match[1] or match[2] for word in words for match in VARIABLE.finditer(word))
        name = next((name for name in names if name in self._values), None)
        if name is None:
            yield words
            return
        pattern = re.compile(rf"\$(?:\{{{name}[^}}]*\}}|{name}\b)")
        for value in dict.fromkeys(self._values[name]):
            plain = value.replace("\\", r"\\")
            yield [pattern.sub(plain, word) for word in words]


def _actions(condition: Sequence[str]) -> frozenset[str] | None:
    """Return the values of `$1` for which a condition can hold, None when it does not say."""
    text = " ".join(condition)
    found = [FIRST_IS.search(part) for part in re.split(r" \|\| | -o ", text)]
    if text.startswith("!") or not all(found):
        return None
    return frozenset(match[1] for match in found if match)
