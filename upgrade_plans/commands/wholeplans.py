"""`kubedeb plan diff` and `kubedeb plan report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json

if TYPE_CHECKING:
    from upgrade_plans.models.upgrade import Upgrade

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("old_file", metavar="OLD", type=PATH)
@click.argument("new_file", metavar="NEW", type=PATH)
@json_option
def diff(old_file: Path, new_file: Path, *, as_json: bool) -> None:
    """Print what differs between two plans of whole stacks: phases, steps and changes of configuration, and their price."""
    from upgrade_plans.plandiff import compare, difference_values
    from upgrade_plans.plandifftext import difference_text
    from upgrade_plans.planner.estimate import estimate

    old, new = _load(old_file, "plan diff"), _load(new_file, "plan diff")
    found = compare(old, new, (estimate(old.steps), estimate(new.steps)))
    if as_json:
        print_json(difference_values(old, new, found))
        return
    for line in difference_text(old, new, found):
        click.echo(line)


def _load(path: Path, command: str) -> Upgrade:
    """Read the plan of a whole stack, or say that the command is for those. Raises `KubedebError` (PLAN)."""
    from upgrade_plans import jsonfile, upgradefile

    if jsonfile.format_of(path) == 1:
        raise KubedebError(
            f"{path} is a plan of etcd alone; kubedeb {command} is for the plan of a whole stack", code=ExitCode.PLAN,
            hint=f"kubedeb plan show {path} prints it.",
        )  # fmt: skip
    return upgradefile.load(path)
