"""`kubedeb cluster`: check and show cluster files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedeb.output import json_option, print_json, print_table
from upgrade_plans.commands.clusterimport import import_
from upgrade_plans.commands.findings import findings

if TYPE_CHECKING:
    from upgrade_plans.models.alike import Traits
    from upgrade_plans.models.cluster import Cluster

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def cluster() -> None:
    """Check, show and import cluster files; say which rules concern a cluster."""


cluster.add_command(import_)
cluster.add_command(findings)


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
@click.option("--nodes", "each", is_flag=True, help="List every node, not each class of nodes that are alike.")
@json_option
def show(file: Path, *, each: bool, as_json: bool) -> None:
    """Print what FILE describes: nodes that are alike once, with their number; balancers and limits."""
    from upgrade_plans.clusterfile import load
    from upgrade_plans.models.alike import classes, traits
    from upgrade_plans.models.nodesets import fold

    read = load(file)
    if as_json:
        kinds = [{"nodes": kind.folded, "count": kind.count, **asdict(kind.traits)} for kind in classes(read)]
        print_json({**read.model_dump(mode="json", by_alias=True), "classes": kinds})
        return
    click.echo(f"cluster {read.name}, {len(read.nodes)} nodes, reached through {read.transport.kind}")
    if each:
        print_table(
            ("node", *TRAITS, "address"), [(node, *_row(here), read.address(node)) for node, here in traits(read).items()]
        )
        return
    rows = [(str(len(nodes)), fold(nodes), *_row(here)) for here, nodes in _by_row(read).items()]
    print_table(("count", "nodes", *TRAITS), rows)
    for line in _around(read):
        click.echo(line)


TRAITS = ("roles", "row", "rack", "dc", "taint group", "architecture", "hardware", "frozen")


def _by_row(read: Cluster) -> dict[Traits, list[str]]:
    """Return nodes that differ in their racks only, by what they have in common; how many racks stands for the rack."""
    from upgrade_plans.models.alike import traits

    found: dict[Traits, list[tuple[str, str]]] = {}
    for node, here in traits(read).items():
        found.setdefault(replace(here, rack=""), []).append((node, here.rack))
    racks = {here: {rack for _, rack in pairs} for here, pairs in found.items()}
    return {
        replace(here, rack=next(iter(racks[here])) if len(racks[here]) == 1 else f"{len(racks[here])} racks"): [
            node for node, _ in pairs
        ]
        for here, pairs in found.items()
    }


def _row(here: Traits) -> tuple[str, ...]:
    texts = (", ".join(here.roles), here.row, here.rack, here.dc, here.taint_group or "-", here.architecture, here.hardware)
    return (*texts, ", ".join(here.frozen) or "-")


def _around(read: Cluster) -> Iterator[str]:
    """Yield what stands around the nodes, a line each."""
    from upgrade_plans.models.nodesets import fold

    for name, pool in read.balancers.items():
        yield (f"balancer {name}: {pool.kind} {pool.version or 'of unknown version'}, {len(pool.nodes)} servers behind "
               f"{pool.address}:{pool.port}, depools down to {pool.depool_threshold} of them")  # fmt: skip
    limits = read.constraints.unavailable.model_dump(exclude_defaults=True)
    if limits:
        yield "unavailable at once: " + ", ".join(f"{name} {share}" for name, share in limits.items())
    for frozen in read.constraints.frozen:
        yield f"frozen: {fold(frozen.nodes)} ({', '.join(frozen.components) or 'everything'}): {frozen.reason}"
    yield f"configuration: {read.configuration.manager}"
    for assumption in read.assumptions:
        yield f"ASSUMED: {assumption.key}: {assumption.why}"
