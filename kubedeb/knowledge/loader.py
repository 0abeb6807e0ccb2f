"""The one loader of the rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.knowledge.schema import Flag, Rows, Rule, RuleKind
from kubedeb.versions import Version
from kubedeb.yamlfile import load as load_yaml
from kubedeb.yamlfile import validate

HERE = Path(__file__).parent
Line = tuple[int, int]


@dataclass(frozen=True)
class Knowledge:
    """All rows, the sha256 of their files, and where each stands (`etcd.yaml:12`, by rule id)."""

    rules: tuple[Rule, ...]
    flags: tuple[Flag, ...] = ()
    digest: str = ""
    places: dict[str, str] = field(default_factory=dict)
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        """Return the rules by id."""
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def _by_kind(self) -> dict[tuple[str, RuleKind], tuple[Rule, ...]]:
        found: dict[tuple[str, RuleKind], list[Rule]] = {}
        for rule in self.rules:
            found.setdefault((rule.component, rule.kind), []).append(rule)
        return {key: tuple(rules) for key, rules in found.items()}

    @cached_property
    def _following(self) -> dict[tuple[str, Line], Rule]:
        """By component and line the rule that says which line follows it, the first where several do."""
        hops = [rule for rule in self.rules if rule.kind is RuleKind.HOP]
        return {(rule.component, rule.from_.line): rule for rule in reversed(hops) if rule.from_.line is not None}

    def of(self, component: str, kind: RuleKind) -> tuple[Rule, ...]:
        """Return a component's rules of one kind, in the order of the file."""
        return self._by_kind.get((component, kind), ())

    def hop(self, component: str, line: Line) -> Rule | None:
        """Return the rule that says which line follows `line`, None when none is known."""
        return self._following.get((component, line))

    def next_line(self, component: str, line: Line) -> Line | None:
        """Return the line that follows `line`, None when none is known."""
        rule = self.hop(component, line)
        return rule.to.line if rule else None

    def way(self, component: str, line: Line, goal: Line) -> tuple[Line, ...]:
        """Return the lines from one to another, both included; not as far as the goal when no hops lead there."""
        found = [line]
        while found[-1] < goal and (following := self.next_line(component, found[-1])) is not None:
            found.append(following)
        return tuple(found)

    def stone(self, component: str, line: Line) -> Version | None:
        """Return the patch version that a way through `line` stops at, None when no row names one."""
        rule = next((rule for rule in self.of(component, RuleKind.STONE) if rule.to.line == line), None)
        return Version.parse(rule.version) if rule and rule.version else None

    def blocked(self, component: str, version: Version) -> tuple[Rule, ...]:
        """Return the rules that block a version, the heaviest first."""
        found = [rule for rule in self.of(component, RuleKind.BLOCKED) if version in rule.to]
        return tuple(sorted(found, key=lambda rule: rule.severity.rank))

    def capability(self, component: str, name: str, version: Version) -> Rule | None:
        """Return the rule that says that a version can do something, None when none says so."""
        able = (rule for rule in self.of(component, RuleKind.CAPABILITY) if rule.capability == name and version in rule.to)
        return next(able, None)

    def between(self, component: str, old: Version, new: Version) -> tuple[Rule, ...]:
        """Return the traps and recommended minima that the way from `old` to `new` meets."""
        kinds = (RuleKind.TRAP, RuleKind.MINIMUM)
        return tuple(
            rule
            for rule in self.rules
            if rule.component == component and rule.kind in kinds and old in rule.from_ and new in rule.to
        )

    def flags_lost(self, component: str, old: Version, new: Version) -> tuple[Flag, ...]:
        """Return the flags that `old` accepts and `new` does not.

        Of versions that nobody looked at only what was taken away for good is said.
        """
        rows = [row for row in self.flags if row.component == component and row.accepted_by(old)]
        looked_at = [Version.parse(text) for row in self.flags if row.component == component
                     for text in (row.first, row.last) if text is not None]  # fmt: skip
        known = bool(looked_at) and new <= max(looked_at)
        return tuple(row for row in rows if row.removed_from(new) or (known and not row.accepted_by(new)))


@lru_cache(maxsize=8)
def load(folder: Path = HERE) -> Knowledge:
    """Read every row of `folder`. Raises `KubedebError` (KNOWLEDGE) with file and line for a row that is not valid."""
    rules: list[Rule] = []
    flags: list[Flag] = []
    places: dict[str, str] = {}
    parts: dict[str, tuple[str, ...]] = {}
    content = b""
    for path in sorted(folder.glob("*.yaml")):
        document = load_yaml(path, code=ExitCode.KNOWLEDGE)
        rows = validate(document, Rows, code=ExitCode.KNOWLEDGE)
        for index, rule in enumerate(rows.rules):
            place = f"{path.name}:{document.line_of(('rules', index))}"
            if rule.id in places:
                raise KubedebError(
                    f"{folder / place}: rule {rule.id} is there twice",
                    details=f"It stands in {places[rule.id]} already.", hint="Give one of them another id.",
                    code=ExitCode.KNOWLEDGE,
                )  # fmt: skip
            places[rule.id] = place
        if rows.product is not None:
            parts[rows.product] = tuple(dict.fromkeys((*parts.get(rows.product, ()), *rows.parts)))
        rules += rows.rules
        flags += rows.flags
        content += path.name.encode() + b"\0" + path.read_bytes() + b"\0"
    return Knowledge(tuple(rules), tuple(flags), sha256_bytes(content), places, parts)
