"""`kubedeb rules`: what is known about versions, with its sources."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import counted, json_option, print_json, print_table
from kubedeb.versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kubedeb.knowledge.schema import Flag, Rule


@click.group()
def rules() -> None:
    """List and show what is known about versions."""


@rules.command("list")
@click.option("--component", help="Only the rules about this component.")
@click.option("--detect", type=click.Choice(["auto", "manual"]), help="Only those that facts tell, or that a person looks at.")
@json_option
def list_rules(component: str | None, detect: str | None, *, as_json: bool) -> None:
    """List every rule: what it is about and how much it weighs."""
    from kubedeb.knowledge import load

    found = load().rules
    components = sorted({rule.component for rule in found})
    if component is not None and component not in components:
        raise KubedebError(
            f"no rules are known about {component!r}", details=f"Known: {', '.join(components)}", code=ExitCode.USAGE
        )
    found = tuple(rule for rule in found if component in (None, rule.component) and detect in (None, rule.detect.mode))
    if as_json:
        print_json([rule.model_dump(mode="json", by_alias=True) for rule in found])
        return
    rows = [(rule.id, rule.kind, str(rule.from_), str(rule.to), rule.severity, rule.confidence, rule.what) for rule in found]
    print_table(("rule", "kind", "from", "to", "severity", "confidence", "what"), rows)


@rules.command()
@click.argument("rule_id", metavar="ID")
@json_option
def show(rule_id: str, *, as_json: bool) -> None:
    """Print one rule whole: how it is detected, what to do, and its source."""
    from kubedeb.knowledge import load

    knowledge = load()
    rule = knowledge.by_id.get(rule_id)
    if rule is None:
        near = difflib.get_close_matches(rule_id, knowledge.by_id, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else "All of them: kubedeb rules list"
        raise KubedebError(f"no rule {rule_id!r}", details=advice, code=ExitCode.USAGE)
    if as_json:
        print_json({**rule.model_dump(mode="json", by_alias=True), "place": knowledge.places[rule.id]})
        return
    for name, text in (
        ("rule", rule.id), ("about", f"{rule.component}, from {rule.from_} to {rule.to} ({rule.kind})"), ("what", rule.what),
        ("detect", f"{rule.detect.how} ({rule.detect.mode})"), ("when", _when(rule)), ("remedy", rule.remedy),
        ("severity", rule.severity),
        ("confidence", rule.confidence), ("source", rule.source), ("row", knowledge.places[rule.id]),
    ):  # fmt: skip
        click.echo(f"{name + ':':<12}{text}")


def _when(rule: Rule) -> str:
    """Return by what the facts of a cluster say that a rule concerns it."""
    if rule.detect.when is not None:
        return str(rule.detect.when)
    return "a person looks" if rule.detect.mode == "manual" else f"the versions of {rule.component} and its target"


@rules.command()
@click.argument("old", metavar="COMPONENT=OLD")
@click.argument("new", metavar="COMPONENT=NEW")
@click.option("--severity", type=click.Choice(["forbid", "force", "warn", "note"]), default="note", show_default=True,
              help="Only what weighs at least so much.")  # fmt: skip
@json_option
def between(old: str, new: str, severity: str, *, as_json: bool) -> None:
    """Print what will bite on the way from one version to another, line by line, with sources."""
    from kubedeb.knowledge import load
    from kubedeb.knowledge.journey import journey
    from kubedeb.knowledge.schema import Severity

    (component, before), (other, after) = _pair(old), _pair(new)
    if component != other:
        raise KubedebError(f"{old} and {new} are not the same component", hint="Name one component twice.", code=ExitCode.USAGE)
    found = journey(load(), component, before, after)
    shown = [item for item in found.met if item[1].severity.rank <= Severity(severity).rank]
    if as_json:
        print_json({
            "component": component, "old": str(before), "new": str(after), "lines": [_line(line) for line in found.lines],
            "rules": [{"line": _line(line), **rule.model_dump(mode="json", by_alias=True)} for line, rule in shown],
            "flags": [{"line": _line(line), **flag.model_dump(mode="json")} for line, flag in found.flags],
        })  # fmt: skip
        return
    click.echo(f"{component} {before} to {after}, by way of {', '.join(map(_line, found.lines))}")
    for line in found.lines:
        here = [rule for entered, rule in shown if entered == line]
        lost = [flag for entered, flag in found.flags if entered == line]
        if here or lost:
            said = f"{counted(len(here), 'rule')}, {counted(len(lost), 'flag')} no longer accepted"
            click.echo(f"\nentering {_line(line)}: {said}")
        for rule in here:
            click.echo(f"  {rule.severity:<7}{rule.id} ({rule.component}): {rule.what}\n"
                       f"         look: {rule.detect.how} ({rule.detect.mode})\n         do:   {rule.remedy}\n"
                       f"         from: {rule.source} ({rule.confidence})")  # fmt: skip
        for (component, remedy, source), flags in _alike(lost).items():
            click.echo(f"  flag   {component} {', '.join(flags)}: {remedy}\n         from: {source}")
    if not shown and not found.flags:
        click.echo("nothing that is known bites on this way")


def _alike(flags: Iterable[Flag]) -> dict[tuple[str, str, str], list[str]]:
    """Return the names of flags by component, remedy and source: one change often takes many away."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for flag in flags:
        found.setdefault((flag.component, flag.remedy, flag.source), []).append(flag.flag)
    return found


def _line(line: tuple[int, int]) -> str:
    return f"{line[0]}.{line[1]}"


def _pair(text: str) -> tuple[str, Version]:
    component, sign, version = text.partition("=")
    try:
        return component, Version.parse(version)
    except ValueError as error:
        brief = f"{text!r} is not COMPONENT=VERSION" + (f": {error}" if sign else "")
        raise KubedebError(brief, hint="As in kubernetes=1.7.16.", code=ExitCode.USAGE) from error
