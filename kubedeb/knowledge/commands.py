"""`kubedeb rules`: what is known about versions, with its sources."""

from __future__ import annotations

import difflib

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json, print_table


@click.group()
def rules() -> None:
    """List and show what is known about versions."""


@rules.command("list")
@click.option("--component", help="Only the rules about this component.")
@json_option
def list_rules(component: str | None, *, as_json: bool) -> None:
    """List every rule: what it is about and how much it weighs."""
    from kubedeb.knowledge import load

    found = load().rules
    components = sorted({rule.component for rule in found})
    if component is not None and component not in components:
        raise KubedebError(
            f"no rules are known about {component!r}", details=f"Known: {', '.join(components)}", code=ExitCode.USAGE
        )
    found = tuple(rule for rule in found if component in (None, rule.component))
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
        ("detect", f"{rule.detect.how} ({rule.detect.mode})"), ("remedy", rule.remedy), ("severity", rule.severity),
        ("confidence", rule.confidence), ("source", rule.source), ("row", knowledge.places[rule.id]),
    ):  # fmt: skip
        click.echo(f"{name + ':':<12}{text}")
