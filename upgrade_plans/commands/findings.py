"""`kubedeb cluster findings`: which rules concern a cluster on its way to a target."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.output import json_option, print_json
from upgrade_plans.commands.targets import VERSION, pair


@click.command()
@click.argument("facts_file", metavar="FACTS", type=click.Path(path_type=Path))
@click.option("--to", "target", multiple=True, metavar=VERSION, help="The target, as in kubernetes=1.10.13; repeat.")
@click.option("--severity", type=click.Choice(["forbid", "force", "warn", "note"]), default="warn", show_default=True,
              help="Only what weighs at least so much.")  # fmt: skip
@json_option
def findings(facts_file: Path, *, target: tuple[str, ...], severity: str, as_json: bool) -> None:
    """Print the rules that concern the cluster of FACTS on its way to the target, each with where it was seen and what to do.

    Also what could not be told because it was not read.
    """
    from kubedeb.knowledge import Severity, load
    from upgrade_plans import factsfile
    from upgrade_plans.planner.detect import detect

    found = detect(factsfile.load(facts_file), dict(map(pair, target)), load())
    shown = [seen for seen in found.seen if seen.rule.severity.rank <= Severity(severity).rank]
    if as_json:
        print_json({
            "findings": [{"rule": one.rule.id, "severity": one.rule.severity, "what": one.rule.what, "remedy": one.rule.remedy,
                          "source": one.rule.source, "evidence": list(one.evidence)} for one in shown],
            "untold": [{"rule": rule.id, "not_read": what} for rule, what in found.untold],
        })  # fmt: skip
        return
    for one in shown:
        click.echo(f"{one.rule.severity:<7}{one.rule.id}: {one.rule.what}\n       seen: {', '.join(one.evidence)}\n"
                   f"       do:   {one.rule.remedy}")  # fmt: skip
    if not shown:
        click.echo("no rule that is known concerns this cluster on this way")
    if found.untold:
        click.echo(f"not told, because it was not read: {', '.join(rule.id for rule, _ in found.untold)}")
