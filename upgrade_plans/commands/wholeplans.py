"""`kubedeb plan diff` and `kubedeb plan report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json
from upgrade_plans.commands.times import estimated, journal_option

if TYPE_CHECKING:
    from upgrade_plans.models.certificate import Summary
    from upgrade_plans.models.upgrade import Upgrade

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("old_file", metavar="OLD", type=PATH)
@click.argument("new_file", metavar="NEW", type=PATH)
@journal_option
@json_option
def diff(old_file: Path, new_file: Path, runs: Path | None, *, as_json: bool) -> None:
    """Print what differs between two plans of whole stacks: phases, steps and changes of configuration, and their price."""
    from upgrade_plans.plandiff import compare, difference_values
    from upgrade_plans.plandifftext import difference_text

    old, new = _load(old_file, "plan diff"), _load(new_file, "plan diff")
    found = compare(old, new, (estimated(old, runs), estimated(new, runs)))
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


@click.command()
@click.argument("plan_file", metavar="PLAN", type=PATH)
@click.option("-o", "--output", required=True, type=PATH, help="Where the page is written.")
@click.option(
    "--certificate", "certificate_file", type=PATH, help="The plan's certificate, for what its proof says is exposed."
)
@journal_option
@json_option
def report(plan_file: Path, output: Path, certificate_file: Path | None, runs: Path | None, *, as_json: bool) -> None:
    """Write the plan of a whole stack as one HTML page that needs no network: time, versions, capacity, ways back, search."""
    from kubedeb.errors import storage_errors
    from kubedeb.files import write_text
    from upgrade_plans import reportpage
    from upgrade_plans.reportrows import report as rows

    plan = _load(plan_file, "plan report")
    proof = _proof(certificate_file, plan) if certificate_file else None
    made = rows(plan, estimated(plan, runs), proof)
    with storage_errors("the report", ExitCode.PLAN):
        write_text(output, reportpage.page(made))
    if as_json:
        print_json({"report": str(output), "plan": made.digest})
        return
    click.echo(f"written to {output}: the plan {made.digest[:12]}, {len(plan.phases)} phases, {len(plan.steps)} steps")


def _proof(path: Path, plan: Upgrade) -> Summary:
    """Read what a certificate says of this plan. Raises `KubedebError` (PLAN) where it is another plan's."""
    from upgrade_plans.canonical import digest
    from upgrade_plans.certificatefile import load_summary

    stated = load_summary(path)
    if stated.sha256.plan != digest(plan):
        raise KubedebError(
            f"{path} is the certificate of another plan", code=ExitCode.PLAN,
            details=f"It names {stated.sha256.plan}; this plan is {digest(plan)}.",
            hint="kubedeb prove PLAN --certificate CERT writes this one's.",
        )  # fmt: skip
    return stated
