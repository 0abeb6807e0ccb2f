"""`kubedeb plan outline`: the order of a whole stack's upgrade, from versions alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json
from kubedeb.versions import Version
from upgrade_plans.commands.targets import VERSION, pair

if TYPE_CHECKING:
    from kubedeb.knowledge.schema import Rule
    from upgrade_plans.planner.climb import Climb, NoWay
    from upgrade_plans.planner.stack import Stack


@click.command()
@click.argument("start", nargs=-1, required=True, metavar="COMPONENT=VERSION...")
@click.option(
    "--to", "target", multiple=True, required=True, metavar=VERSION, help="The target, as in kubernetes=1.10.13; repeat."
)
@click.option("--freeze", "frozen", multiple=True, metavar="COMPONENT", help="What must not move; repeat.")
@click.option("--via", multiple=True, metavar=VERSION, help="Pass the version's line with this patch; repeat.")
@click.option("--why", is_flag=True, help="Say of each stage every later one that needs it, not the next one only.")
@json_option
def outline(
    *, start: tuple[str, ...], target: tuple[str, ...], frozen: tuple[str, ...], via: tuple[str, ...], why: bool, as_json: bool
) -> None:
    """Print the order in which the parts of a stack move, from versions alone, or what forbids every order.

    Components: kubernetes (or apiservers, managers, workers), etcd, storage (etcd2 or etcd3), calico, helm (or tillers). No
    cluster is read: nodes, capacity and configuration come later, with `plan make`.
    """
    from kubedeb.knowledge import load
    from upgrade_plans.planner.climb import NoWay, climb
    from upgrade_plans.planner.stack import OF_PRODUCT, Stack, Wish

    begin = _groups(start)
    wanted = {**begin, **_groups(target)}
    if strange := [name for name in wanted if name not in begin]:
        raise KubedebError(
            f"--to names {strange[0]}, and the start does not say what it is on",
            details=f"The start names {', '.join(begin)}.", hint=f"Add {strange[0]}=VERSION to the start.", code=ExitCode.USAGE,
        )  # fmt: skip
    for name, version in wanted.items():
        if version < begin[name]:
            raise KubedebError(f"{name} would go down from {begin[name]} to {version}", details="An outline goes up only.",
                               hint="The way back of a run is `kubedeb rollback`.", code=ExitCode.USAGE)  # fmt: skip
    stones = {(product, version.line): version for product, version in map(pair, via)}
    kept = frozenset(name for text in frozen for name in OF_PRODUCT.get(text, (text,)))
    if strange := sorted(kept - set(begin)):
        raise KubedebError(f"{', '.join(strange)} cannot be frozen: not in the stack", code=ExitCode.USAGE)
    found = climb(Stack.of(begin), Wish(Stack.of(wanted), kept, stones), load())
    if isinstance(found, NoWay):
        raise _refusal(found, begin, as_json=as_json)
    if as_json:
        print_json(_document(found))
        return
    for line in _lines(found, why=why):
        click.echo(line)


def _groups(texts: tuple[str, ...]) -> dict[str, Version]:
    """Read components with versions into groups; a group of its own goes before its product."""
    from upgrade_plans.planner.stack import BY_NAME, OF_PRODUCT

    products: dict[str, Version] = {}
    groups: dict[str, Version] = {}
    for text in texts:
        name, version = pair(text)
        if name not in OF_PRODUCT and name not in BY_NAME:
            known = ", ".join(sorted({*OF_PRODUCT, *BY_NAME}))
            raise KubedebError(f"no component {name!r}", details=f"Known: {known}", code=ExitCode.USAGE)
        if len(parts := OF_PRODUCT.get(name, ())) > 1:
            products |= dict.fromkeys(parts, version)
        else:
            groups[name] = version
    return {**products, **groups}


def _shown(group: str, version: Version) -> str:
    from kubedeb.knowledge.journey import NEWEST

    if group == "storage":
        return f"etcd{version.major}"
    return f"{version.major}.{version.minor}.x" if version.patch == NEWEST else str(version)


def _lines(found: Climb, *, why: bool) -> Iterator[str]:
    yield f"{len(found.stages)} stages; every worker is drained {found.drains} times; {found.risk} warnings\n"
    for number, stage in enumerate(found.stages, 1):
        move = stage.move
        yield f"{number:>3}. {move.group:<11}{_shown(move.group, move.old)} → {_shown(move.group, move.new)}"
        for later, rule in stage.needed_by if why else stage.needed_by[:1]:
            yield f"       before {later + 1}: {rule.what} [{rule.id}]"
        for rule in stage.warnings:
            yield f"       warning: {rule.what} [{rule.id}]"


def _document(found: Climb) -> dict[str, Any]:
    def stack(value: Stack) -> dict[str, str]:
        return {name: _shown(name, version) for name, version in value.versions}

    def stage(value: Any) -> dict[str, Any]:
        move = value.move
        needed = [{"stage": later + 1, "rule": rule.id} for later, rule in value.needed_by]
        return {
            "group": move.group, "from": _shown(move.group, move.old), "to": _shown(move.group, move.new),
            "after": stack(value.after), "warnings": [rule.id for rule in value.warnings], "needed_by": needed,
        }  # fmt: skip

    return {
        "start": stack(found.start),
        "stages": [stage(item) for item in found.stages],
        "drains": found.drains,
        "risk": found.risk,
    }


def _refusal(found: NoWay, begin: dict[str, Version], *, as_json: bool) -> KubedebError:
    if as_json:
        print_json(
            {
                "no_way": {
                    "rules": [rule.id for rule in found.rules],
                    "freezes": list(found.freezes),
                    "no_hops": list(found.no_hops),
                }
            }
        )
    said = [_rule_line(rule) for rule in found.rules]
    said += [f"- {name} must stay on {_shown(name, begin[name])}" for name in found.freezes]
    said += [f"- no hops are known that take {name} to its target" for name in found.no_hops]
    together = "These forbid it together, and none of them can be left out of that:" if len(said) > 1 else "What forbids it:"
    return KubedebError("there is no legal order", details="\n".join([together, *said]),
                        hint="Change the target, the start or what is frozen; a rule whole: kubedeb rules show ID.",
                        code=ExitCode.NO_PLAN)  # fmt: skip


def _rule_line(rule: Rule) -> str:
    return f"- {rule.what} [{rule.id}, {rule.source}]"
