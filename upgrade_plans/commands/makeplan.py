"""`kubedeb plan make`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json
from upgrade_plans.commands.targets import VERSION, exact, patches

if TYPE_CHECKING:
    from upgrade_plans.models.cluster import Cluster
    from upgrade_plans.models.facts import Facts
    from upgrade_plans.planner import NoPlan
    from upgrade_plans.planner.whole import Request

PATH = click.Path(path_type=Path)
ETCD_ONLY = {"etcd"}
OPTIONS = {
    "total": "--max-unavailable", "row": "--max-per-row", "rack": "--max-per-rack", "taint_group": "--max-per-taint-group",
    "bgp": "--bgp-per-row",
}  # fmt: skip
"""By which option each limit is given."""
FEW = 200
"""Up to so many workers other plans are priced unasked: each takes about as long as the plan itself."""


def _target(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    target: dict[str, str] = {}
    for value in values:
        component, sign, version = value.partition("=")
        if not (sign and component and version):
            raise click.BadParameter(f"{value!r} is not COMPONENT=VERSION, as in etcd=3.5.16")
        if component in target:
            raise click.BadParameter(f"{component} is there twice")
        target[component] = version
    return target


target_option = click.option(
    "--to", "target", required=True, multiple=True, callback=_target, metavar=VERSION,
    help="The target, as in etcd=3.5.16 or storage=etcd3; repeat.",
)  # fmt: skip


@click.command()
@click.argument("cluster_file", metavar="CLUSTER.yaml", type=PATH)
@click.option("--facts", "facts_file", required=True, type=PATH, help="What `kubedeb inspect` read of the cluster.")
@target_option
@click.option("-o", "--output", required=True, type=PATH, help="Where the plan is written.")
@click.option("--fast", is_flag=True, help="Less time: larger batches, short soaks.")
@click.option(
    "--careful",
    is_flag=True,
    help="Less risk: smaller batches, longer soaks, points of no return as late as that costs nothing, workers on the lowest "
    "minor that costs no further drain.",
)
@click.option("--max-unavailable", "total", metavar="N|P%", help="Workers that may be away at once, of all.")
@click.option("--max-per-row", "row", metavar="N|P%", help="The same of each row.")
@click.option("--max-per-rack", "rack", metavar="N|P%", help="The same of each rack.")
@click.option("--max-per-taint-group", "taint_group", metavar="N|P%", help="The same of each taint group.")
@click.option("--bgp-per-row", "bgp", type=click.IntRange(min=1), help="Nodes of a row whose BGP sessions may be down at once.")
@click.option("--via", multiple=True, metavar=VERSION, help="Pass the version's line with this patch; repeat.")
@click.option(
    "--also", multiple=True, metavar="WHAT", help="What else is done while a worker is empty, as in docker or reboot; repeat."
)
@click.option("--depool-dc", "depool", is_flag=True, help="Lead users to the other data centres meanwhile.")
@click.option("--alternatives/--no-alternatives", default=None,
              help="Price other modes and limits too, for `plan show`.  [default: up to 200 workers]")  # fmt: skip
@click.option("--changes", type=PATH, metavar="DIR", help="Write each change of configuration there, as a patch.")
@json_option
def make(
    *, cluster_file: Path, facts_file: Path, target: dict[str, str], output: Path, fast: bool, careful: bool, total: str | None,
    row: str | None, rack: str | None, taint_group: str | None, bgp: int | None, via: tuple[str, ...], also: tuple[str, ...],
    depool: bool, alternatives: bool | None, changes: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Make the plan that takes the cluster to a target, or say why there is none.

    A target of etcd alone gives a plan that `kubedeb apply` carries out; any other one the plan of the whole stack.
    """
    from upgrade_plans import clusterfile, factsfile
    from upgrade_plans.models.cluster import Role

    limits = {"total": total, "row": row, "rack": rack, "taint_group": taint_group, "bgp": None if bgp is None else str(bgp)}
    given = {name: text for name, text in limits.items() if text is not None}
    cluster, facts = clusterfile.load(cluster_file), factsfile.load(facts_file)
    factsfile.check_same(facts, cluster)
    if set(target) <= ETCD_ONLY:
        if given or fast or careful or via or also or changes or alternatives or depool:
            raise KubedebError(
                "a plan for etcd alone has no such options", details="One member at a time, whatever the limits say.",
                hint="Leave out all but --facts, --to and -o, or name a target beside etcd.", code=ExitCode.USAGE,
            )  # fmt: skip
        _etcd(cluster, facts, target, facts_file, output, as_json=as_json)
        return
    few = len(cluster.roles.get(Role.WORKER, ())) <= FEW
    request = request_of(target, mode_of(fast=fast, careful=careful), given, via, also, depool=depool)
    _whole(cluster, facts, request, target, facts_file, output, changes, priced=few if alternatives is None else alternatives,
           as_json=as_json)  # fmt: skip


def mode_of(*, fast: bool, careful: bool) -> str | None:
    """Return the mode that two flags ask for; None for the usual one. Raises `KubedebError` (USAGE) where both are there."""
    if fast and careful:
        raise KubedebError("--fast and --careful ask for opposite things", hint="Leave one out.", code=ExitCode.USAGE)
    return "fast" if fast else "careful" if careful else None


def request_of(
    target: dict[str, str], mode: str | None, limits: dict[str, str], via: tuple[str, ...], also: tuple[str, ...], *,
    depool: bool = False,
) -> Request:  # fmt: skip
    """Return what is asked for. Raises `KubedebError` (USAGE) where it cannot be read."""
    from pydantic import TypeAdapter, ValidationError

    from upgrade_plans.models.upgradekinds import Mode
    from upgrade_plans.models.words import Identifier, Share
    from upgrade_plans.planner.stack import OF_PRODUCT
    from upgrade_plans.planner.whole import Request

    for name, text in limits.items():
        try:
            TypeAdapter(Share).validate_python(text)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise KubedebError(f"{OPTIONS[name]}: {said}", hint="As in 3 or 25%.", code=ExitCode.USAGE) from error
    try:
        TypeAdapter(tuple[Identifier, ...]).validate_python(also)
    except ValidationError as error:
        wrong = also[int(error.errors()[0]["loc"][0])]
        raise KubedebError(f"--also {wrong!r} is not one word", hint="As in docker or reboot.", code=ExitCode.USAGE) from error
    goals = dict(exact(f"{name}={text}") for name, text in target.items())
    return Request(goals, Mode(mode or "usual"), limits, patches(via, OF_PRODUCT), also, depool)


def _etcd(cluster: Cluster, facts: Facts, target: dict[str, str], facts_file: Path, output: Path, *, as_json: bool) -> None:
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import planfile
    from upgrade_plans.planner import NoPlan, make_plan
    from upgrade_plans.planner.findings import findings
    from upgrade_plans.render import plan_tree

    knowledge = load_knowledge()
    made = make_plan(facts, cluster, target, knowledge)
    if isinstance(made, NoPlan):
        raise refusal(made, target)
    planfile.save(output, made)
    found = findings(made, knowledge, facts)
    if as_json:
        listed = [{"severity": item.severity, "what": item.what, "remedy": item.remedy, "rule": item.rule} for item in found]
        print_json({"plan": str(output), "steps": len(made.steps), "findings": listed})
        return
    for line in plan_tree(made):
        click.echo(line)
    click.echo()
    for item in found:
        click.echo(f"{item.severity}: {item.what}" + (f" [{item.rule}]" if item.rule else ""))
        click.echo(f"      {item.remedy}")
    click.echo(f"written to {output}; next: kubedeb prove {output} --facts {facts_file}")


def _whole(
    cluster: Cluster, facts: Facts, request: Request, target: dict[str, str], facts_file: Path, output: Path,
    changes: Path | None, *, priced: bool, as_json: bool,
) -> None:  # fmt: skip
    from kubedeb.errors import storage_errors
    from kubedeb.files import write_text
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import upgradefile
    from upgrade_plans.planner import NoPlan
    from upgrade_plans.planner.whole import make_upgrade
    from upgrade_plans.upgradetext import outline, patches

    made = make_upgrade(facts, cluster, request, load_knowledge(), with_alternatives=priced)
    if isinstance(made, NoPlan):
        raise refusal(made, target)
    upgradefile.save(output, made)
    if changes is not None:
        with storage_errors("the changes of configuration", ExitCode.PLAN):
            changes.mkdir(parents=True, exist_ok=True)
            for name, text in patches(made).items():
                write_text(changes / name, text)
    if as_json:
        found = [item.model_dump(mode="json") for item in made.findings]
        print_json(
            {
                "plan": str(output),
                "phases": len(made.phases),
                "steps": len(made.steps),
                "drains": made.drains,
                "findings": found,
            }
        )
        return
    for line in outline(made):
        click.echo(line)
    click.echo()
    for item in made.findings:
        if item.severity != "note":
            click.echo(f"{item.severity}: {item.what}" + (f" [{item.rule}]" if item.rule else ""))
    click.echo(f"written to {output}; next: kubedeb prove {output} --facts {facts_file}")


def refusal(made: NoPlan, target: dict[str, str]) -> KubedebError:
    """Return the error that says why there is no plan, each reason with what to change.

    A reason may name an invariant of docs/semantics.md instead of a rule: that one has no row to show.
    """
    from kubedeb.knowledge import load

    wanted = ", ".join(f"{component}={version}" for component, version in target.items())
    lines = []
    for reason in made.reasons:
        lines.append(f"- {reason.what}" + (f" [{reason.rule}]" if reason.rule else ""))
        lines.append(f"  → {reason.remedy}")
    rules = next((reason.rule for reason in made.reasons if reason.rule in load().by_id), "")
    hint = "Change what each arrow names, read the facts again, and make the plan again."
    return KubedebError(
        f"there is no legal plan to {wanted}", details="\n".join(lines), code=ExitCode.NO_PLAN,
        hint=hint + (f"\nThe rule and its source: kubedeb rules show {rules}" if rules else ""),
    )  # fmt: skip
