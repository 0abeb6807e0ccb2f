"""`kubedeb fleet`: several clusters in their order."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.output import json_option, print_json, print_table
from upgrade_plans.commands.fleetplan import fleet_plan, fleet_prove


@click.group()
def fleet() -> None:
    """Plan several clusters in their order, and prove it."""


fleet.add_command(fleet_plan)
fleet.add_command(fleet_prove)


@fleet.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def lint(file: Path, *, as_json: bool) -> None:
    """Check that FILE is a fleet file and that each cluster file it names is one; print the order."""
    from upgrade_plans.fleetfile import load

    read = load(file)
    rows = [(name, entry.stage, str(len(read.clusters[name].nodes)), "yes" if entry.depool else "no", entry.soak,
             "asked for" if entry.approval else "no") for name, entry in read.fleet.clusters.items()]  # fmt: skip
    if as_json:
        print_json({"file": str(file), "fleet": read.fleet.name, "clusters": list(read.fleet.clusters), "valid": True})
        return
    print_table(("cluster", "stage", "nodes", "depooled", "soak", "approval"), rows)
    click.echo(f"{file}: fleet {read.fleet.name}: valid")
