"""`kubedeb cluster import`."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import progress

PATH = click.Path(path_type=Path)


@click.command("import")
@click.argument("inventory_file", metavar="INVENTORY", type=PATH)
@click.option("--name", required=True, help="The cluster's name.")
@click.option("--role", "roles", multiple=True, metavar="ROLE=GROUP", help="The group that a role's nodes are in; repeat.")
@click.option("--row-var", default="row", show_default=True, help="The variable or label that says a node's row.")
@click.option("--rack-var", default="rack", show_default=True, help="The variable or label that says a node's rack.")
@click.option("--transport", type=click.Choice(["ssh", "docker"]), default="ssh", show_default=True)
@click.option("-o", "--output", type=PATH, help="Write the cluster file here, else to stdout.")
def import_(
    inventory_file: Path, *, name: str, roles: tuple[str, ...], row_var: str, rack_var: str, transport: str, output: Path | None
) -> None:
    """Make a cluster file of an Ansible inventory (ini or YAML) or of what `kubectl get nodes -o json` prints.

    What the inventory does not say is marked in the file as assumed.
    """
    from kubedeb.errors import storage_errors
    from kubedeb.files import write_text
    from upgrade_plans import clusterfile
    from upgrade_plans.clusterimport import Wanted, cluster_of
    from upgrade_plans.inventory import read
    from upgrade_plans.models.cluster import Role, TransportKind

    wanted: dict[Role, str] = {}
    for text in roles:
        role, sign, group = text.partition("=")
        if not sign or role not in list(Role):
            raise KubedebError(f"{text!r} is not ROLE=GROUP", details=f"Roles: {', '.join(Role)}", code=ExitCode.USAGE)
        wanted[Role(role)] = group
    try:
        text = inventory_file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise KubedebError(f"cannot read {inventory_file}", details=str(reason), code=ExitCode.CLUSTER) from error
    made = cluster_of(
        read(text, inventory_file), Wanted(name, TransportKind(transport), wanted, row_var, rack_var), inventory_file
    )
    show = progress()
    for assumption in made.assumptions:
        show.say(f"assumed: {assumption.key}: {assumption.why}")
    if output is None:
        click.echo(clusterfile.text_of(made), nl=False)
        return
    with storage_errors("the cluster file", ExitCode.CLUSTER):
        write_text(output, clusterfile.text_of(made))
    show.say(f"{len(made.nodes)} nodes are in {output}")
