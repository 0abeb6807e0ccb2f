"""`kubedeb prove`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kubedeb.knowledge import Knowledge
    from upgrade_plans.models.facts import Facts
    from upgrade_plans.models.plan import Plan
    from upgrade_plans.models.upgrade import Upgrade

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("plan_file", metavar="PLAN", type=PATH)
@click.option("--facts", "facts_file", type=PATH, help="Also check that the plan starts from these facts.")
@click.option("--certificate", "certificate_file", type=PATH, help="Write the certificate here, proven or refused.")
@click.option(
    "--check",
    "checked_file",
    type=PATH,
    metavar="CERT",
    help="Prove nothing: check this certificate of PLAN with a program written apart from the prover.",
)
@click.option(
    "--without",
    type=click.Choice(["symmetry", "rows", "groups", "hops"]),
    multiple=True,
    help="Switch a reduction off (docs/semantics.md, 6 and 16); repeat. Slower, and the same verdict.",
)
@json_option
def prove(
    *,
    plan_file: Path,
    facts_file: Path | None,
    certificate_file: Path | None,
    checked_file: Path | None,
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """Prove that no state which PLAN can reach violates an invariant, or show the nearest one that does."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import factsfile, upgradefile
    from upgrade_plans.models.plan import Plan
    from upgrade_plans.prover import prove as judge
    from upgrade_plans.prover.certificate import certificate
    from upgrade_plans.prover.symmetry import Reductions
    from upgrade_plans.render import refusal, verdict_text

    read = upgradefile.load_any(plan_file)
    if not isinstance(read, Plan):
        _whole(read, facts_file, certificate_file, checked_file, without, as_json=as_json)
        return
    facts = factsfile.load(facts_file) if facts_file else None
    if facts is not None:
        _check_start(read, facts)
    knowledge = load_knowledge()
    if checked_file is not None:
        _check(checked_file, read, knowledge, as_json=as_json)
        return
    if of_whole := sorted({"groups", "hops"} & set(without)):
        raise KubedebError(f"--without {of_whole[0]} is for plans of a whole stack (format 2)", code=ExitCode.USAGE)
    reductions = Reductions(symmetry="symmetry" not in without, rows="rows" not in without)
    verdict = judge(read, facts, knowledge, reductions, with_evidence=as_json or certificate_file is not None)
    said = verdict_text(verdict, knowledge) if verdict.proven else refusal(verdict, knowledge)
    _tell(lambda: certificate(read, knowledge, verdict), said, certificate_file, proven=verdict.proven, as_json=as_json)


def _whole(
    plan: Upgrade,
    facts_file: Path | None,
    certificate_file: Path | None,
    checked_file: Path | None,
    without: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Prove the plan of a whole stack."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import factsfile, wholerender
    from upgrade_plans.canonical import digest
    from upgrade_plans.prover.symmetry import Reductions as MemberReductions
    from upgrade_plans.prover.whole import certificate, prove_whole
    from upgrade_plans.prover.wholesegments import Reductions

    knowledge = load_knowledge()
    read = factsfile.load(facts_file) if facts_file else None
    if read is not None and read.cluster != plan.cluster:
        raise KubedebError(
            f"the plan is for {plan.cluster}, and these facts are of {read.cluster}",
            code=ExitCode.FACTS,
            hint=f"Give the facts that the plan was made from, of {plan.cluster}.",
        )
    facts = digest(read) if read is not None else None
    if facts is not None and facts != plan.inputs.facts:
        raise KubedebError(
            f"the plan was made from other facts of {plan.cluster} than these",
            details=f"It names {plan.inputs.facts}; these are {facts}.",
            hint="Make the plan from these facts: kubedeb plan make.", code=ExitCode.FACTS,
        )  # fmt: skip
    if checked_file is not None:
        _check_whole(checked_file, plan, knowledge, as_json=as_json)
        return
    members = MemberReductions(symmetry="symmetry" not in without, rows="rows" not in without)
    reductions = Reductions(groups="groups" not in without, hops="hops" not in without, members=members)
    verdict = prove_whole(plan, knowledge, facts, reductions)
    said = wholerender.proof(plan, verdict, knowledge) if verdict.proven else wholerender.refusal(verdict, knowledge)
    _tell(lambda: certificate(plan, knowledge, verdict), said, certificate_file, proven=verdict.proven, as_json=as_json)


def _tell(
    certificate: Callable[[], Mapping[str, Any]], said: Iterable[str], file: Path | None, *, proven: bool, as_json: bool
) -> None:
    """Hand over a certificate where one is asked for, and say the verdict. Raises `KubedebError` (REFUSED) for a refusal."""
    from kubedeb.errors import storage_errors
    from kubedeb.files import canonical_json, write_text

    if file is not None or as_json:
        document = certificate()
        if file is not None:
            with storage_errors("the certificate", ExitCode.PLAN):
                write_text(file, canonical_json(document))
        if as_json:
            print_json(document)
    if not proven:
        first, *more = said
        raise KubedebError(
            f"the plan is refused ({first.removeprefix('REFUSED: ')})", details="\n".join(more), code=ExitCode.REFUSED,
            hint="Let the planner make it (kubedeb plan make), or mend the step that the story ends in.",
        )  # fmt: skip
    if not as_json:
        for line in said:
            click.echo(line)


def _check(path: Path, plan: Plan, knowledge: Knowledge, *, as_json: bool) -> None:
    """Check a certificate; raises `KubedebError` (REFUSED) with what it states that is not so."""
    from upgrade_plans.certificatefile import load
    from upgrade_plans.checker import check

    stated = load(path)
    wrong = check(stated, plan, knowledge)
    if as_json:
        print_json({"holds": not wrong, "proven": stated.proven, "wrong": list(wrong)})
    _refuse(path, wrong)
    if not as_json:
        says = "no reachable state violates an invariant" if stated.proven else "the plan is refused, as it says"
        click.echo(f"HOLDS: {says}; states found again: {stated.states}, by a program written apart from the prover.")


def _check_whole(path: Path, plan: Upgrade, knowledge: Knowledge, *, as_json: bool) -> None:
    """Check the certificate of a whole stack's plan; raises `KubedebError` (REFUSED) with what it states that is not so."""
    from upgrade_plans.certificatefile import load_whole
    from upgrade_plans.checker import check_whole

    stated = load_whole(path)
    wrong = check_whole(stated, plan, knowledge)
    if as_json:
        print_json({"holds": not wrong, "proven": stated.proven, "wrong": list(wrong)})
    _refuse(path, wrong)
    if as_json:
        return
    says = (
        "no reachable state of the sequence, of a hop or of what moves side by side violates an invariant"
        if stated.proven
        else "the plan is refused, as it says"
    )
    states = "before any state" if stated.states is None else f"states found again: {stated.states}"
    click.echo(f"HOLDS: {says}; {states}, by a program written apart from the prover.")


def _refuse(path: Path, wrong: tuple[str, ...]) -> None:
    """Say what of a certificate is not so. Raises `KubedebError` (REFUSED)."""
    if wrong:
        raise KubedebError(
            f"the certificate {path} does not hold", details="\n".join(wrong), code=ExitCode.REFUSED,
            hint=f"Prove the plan anew: kubedeb prove PLAN --certificate {path}",
        )  # fmt: skip


def _check_start(read: Plan, facts: Facts) -> None:
    """Refuse to prove a plan from another start than the facts': the proof would be of something that is not there."""
    from upgrade_plans.models.upstream import upstream_of

    differ = [] if read.cluster == facts.cluster else [f"the plan is for {read.cluster}, the facts are of {facts.cluster}"]
    found = {member.node: member for member in facts.etcd}
    strangers = sorted(set(found) ^ {member.node for member in read.members})
    differ += [f"{node} is a member in only one of them" for node in strangers]
    for member in read.members:
        fact = found.get(member.node)
        if fact is None:
            continue
        server = facts.of(member.node).packages.get("etcd-server")
        installed = upstream_of(server.installed) if server and server.installed else None
        for what, planned, real in (
            ("runs", member.running, fact.running), ("has installed", member.installed, str(installed)),
            ("stands in row", member.row, facts.of(member.node).row),
            ("is in a cluster of version", read.cluster_version, fact.cluster_version),
        ):  # fmt: skip
            if planned != real:
                differ.append(f"{member.node} {what} {real}, the plan says {planned}")
    if differ:
        raise KubedebError(
            "the plan does not start where the facts say the cluster is", details="\n".join(differ),
            hint="Make the plan from these facts: kubedeb plan make.", code=ExitCode.FACTS,
        )  # fmt: skip
