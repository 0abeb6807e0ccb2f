"""`kubedeb inspect`."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.output import json_option, print_table
from kubedeb.progress import progress


@click.command()
@click.argument("cluster_file", metavar="CLUSTER.yaml", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the facts to this file.")
@json_option
def inspect(cluster_file: Path, output: Path | None, *, as_json: bool) -> None:
    """Read a live cluster (read-only) into a facts file: versions installed and running, health, leader, what apt offers."""
    from upgrade_plans import clusterfile, factsfile
    from upgrade_plans.adapters.world import world_of
    from upgrade_plans.canonical import text_of
    from upgrade_plans.executor.inspection import read_facts

    show = progress()
    cluster = clusterfile.load(cluster_file)
    with show.task(f"read the cluster {cluster.name}, {len(cluster.nodes)} nodes"):
        facts, warnings = read_facts(cluster, world_of(cluster))
    for warning in warnings:
        show.say(f"warning: {warning}")
    if output is not None:
        factsfile.save(output, facts)
        show.say(f"facts are in {output}")
    if as_json:
        click.echo(text_of(facts), nl=False)
        return
    rows = []
    for member in facts.etcd:
        server = facts.of(member.node).packages.get("etcd-server")
        installed = (server.installed if server else None) or "-"
        offered = ", ".join(item.version for item in server.available) if server else ""
        state = ", ".join(member.alarms) or ("leader" if member.leader else "healthy" if member.healthy else "-")
        rows.append(
            (member.node, member.running or "no answer", member.cluster_version or "-", state, installed, offered or "-")
        )
    print_table(("member", "running", "cluster", "state", "installed", "apt offers"), rows)
