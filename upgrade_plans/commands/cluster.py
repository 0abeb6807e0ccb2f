"""`kubedeb cluster`: check and show cluster files."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.output import json_option, print_json, print_table

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def cluster() -> None:
    """Check and show cluster files."""


@cluster.command()
@FILE
@json_option
def lint(file: Path, *, as_json: bool) -> None:
    """Check that FILE is a cluster file; says what is wrong, and in which line."""
    from upgrade_plans.clusterfile import load

    read = load(file)
    if as_json:
        print_json({"file": str(file), "cluster": read.name, "valid": True})
    else:
        click.echo(f"{file}: cluster {read.name}, {len(read.nodes)} nodes in {len(read.rows)} rows: valid")


@cluster.command()
@FILE
@json_option
def show(file: Path, *, as_json: bool) -> None:
    """Print the nodes of FILE with their roles, places and addresses, node sets expanded."""
    from upgrade_plans.clusterfile import load

    read = load(file)
    if as_json:
        print_json(read.model_dump(mode="json"))
        return
    click.echo(f"cluster {read.name}, reached through {read.transport.kind}")
    rows = []
    for node in read.nodes:
        row, rack = read.place(node)
        roles = ", ".join(role for role, nodes in read.roles.items() if node in nodes)
        rows.append((node, roles, row, rack, read.address(node)))
    print_table(("node", "roles", "row", "rack", "address"), rows)
