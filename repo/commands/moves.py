"""`kubedeb repo publish`, `promote`, `rollback`, `release-set`, `resign` and `log`: what suites serve, and who moved them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kubedeb.output import counted, json_option, plain, print_json, print_table
from repo.commands.options import open_root, repository_option, say, terms_options

reason_option = click.option("--reason", default="", help="Why, for the audit log.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.command()
@repository_option
@click.argument("suite")
@click.argument("snapshot", required=False)
@reason_option
@terms_options
@json_option
def publish(*, repository: Path | None, suite: str, snapshot: str | None, reason: str, terms: Any, as_json: bool) -> None:
    """Make a suite's draft its next generation, once apt has accepted it; with SNAPSHOT, make it serve that instead.

    SNAPSHOT is a named snapshot, SUITE@GENERATION or a snapshot's id; the draft waits on.
    """
    opened = open_root(repository, terms)
    if snapshot is None:
        from repo.publish import publish as publish_draft

        done = publish_draft(opened, suite, say, reason=reason)
        print_json(plain(done)) if as_json else tell(done)
        return
    from repo.audit import Why
    from repo.moves import carry_out, plan
    from repo.points import resolve

    wanted = plan(opened, suite, resolve(opened, snapshot))
    _told(carry_out(opened, [wanted], say, Why("publish", reason)), as_json=as_json)


@click.command()
@repository_option
@click.argument("source")
@click.argument("suite")
@yes_option
@reason_option
@terms_options
@json_option
def promote(*, repository: Path | None, source: str, suite: str, yes: bool, reason: str, terms: Any, as_json: bool) -> None:
    """Let SUITE serve what SOURCE serves (a suite, or a snapshot): shows what would change, and asks."""
    from repo.audit import Why
    from repo.moves import carry_out, promotion

    opened = open_root(repository, terms)
    wanted = promotion(opened, source, suite)
    _agree(wanted, f"Promote {source} to {suite}?", yes=yes, as_json=as_json)
    _told(carry_out(opened, [wanted], say, Why("promote", reason)), as_json=as_json)


@click.command()
@repository_option
@click.argument("suite")
@click.option("--to", "number", type=click.IntRange(min=1), metavar="GENERATION",
              help="The generation to go back to (default: the newest that had other packages).")  # fmt: skip
@yes_option
@reason_option
@terms_options
@json_option
def rollback(
    *, repository: Path | None, suite: str, number: int | None, yes: bool, reason: str, terms: Any, as_json: bool
) -> None:
    """Let a suite serve again what it served before, as a new generation: shows what would change, and asks.

    Hosts do not go down by themselves: what they need is printed.
    """
    from repo.audit import Why
    from repo.moves import carry_out, way_back

    opened = open_root(repository, terms)
    wanted = way_back(opened, suite, number)
    _agree(wanted, f"Go back to {wanted.source.label}?", yes=yes, as_json=as_json)
    _told(carry_out(opened, [wanted], say, Why("rollback", reason)), as_json=as_json)


@click.command()
@repository_option
@click.argument("suite")
@click.argument("query")
@click.argument("percent", type=click.IntRange(0, 100))
@reason_option
@terms_options
@json_option
def phase(
    *, repository: Path | None, suite: str, query: str, percent: int, reason: str, terms: Any, as_json: bool
) -> None:  # fmt: skip
    """Let upgrades to the packages that QUERY names reach PERCENT of the hosts; 100 ends it. Published at once."""
    from repo.phasing import phase as phase_packages

    done = phase_packages(open_root(repository, terms), suite, query, percent, say, reason)
    print_json(plain(done)) if as_json else tell(done)


@click.command(name="release-set")
@repository_option
@click.argument("members", metavar="SUITE[=SNAPSHOT]...", nargs=-1, required=True)
@reason_option
@terms_options
@json_option
def release_set(*, repository: Path | None, members: tuple[str, ...], reason: str, terms: Any, as_json: bool) -> None:
    """Let several suites go live together or not at all, each with its draft, a snapshot or another suite's packages."""
    from repo.moves import release_set as release

    done = release(open_root(repository, terms), members, say, reason)
    if as_json:
        print_json([plain(one) for one in done])
        return
    for one in done:
        tell(one)


@click.command()
@repository_option
@click.option("--suite", "-s", "suites", multiple=True, help="Only this suite; repeat.")
@click.option(
    "--store", "from_store", is_flag=True, help="Read the store's records: every publisher's, not this machine's alone."
)
@json_option
def log(*, repository: Path | None, suites: tuple[str, ...], from_store: bool, as_json: bool) -> None:
    """List who moved which suite when, from where to where and why."""
    from repo.audit import read_log, read_store

    opened = open_root(repository)
    chosen = [opened.suite(name).name for name in suites] or [suite.name for suite in opened.identity.suites]
    records = read_store(opened, chosen) if from_store else read_log(opened, chosen)
    if as_json:
        print_json([plain(record) for record in records])
        return
    rows = [
        (moment(one.at), one.who, one.suite, f"{one.before_generation} → {one.generation}", f"+{one.added} -{one.removed}",
         " ".join(filter(None, (one.action, one.source))), one.reason)
        for one in records
    ]  # fmt: skip
    print_table(("when", "who", "suite", "generation", "packages", "what", "why"), rows)


@click.command()
@repository_option
@click.argument("suite")
@click.option("--due", is_flag=True, help="Only when less than half of the Release's validity is left: for a timer.")
@terms_options
@json_option
def resign(*, repository: Path | None, suite: str, due: bool, terms: Any, as_json: bool) -> None:
    """Sign what a suite serves again, with a new date, as a generation of its own."""
    from repo.resign import resign as resign_suite

    done = resign_suite(open_root(repository, terms), suite, say, only_due=due)
    if as_json:
        print_json({"suite": suite, "changed": False} if done is None else plain(done))
    elif done is None:
        click.echo(f"nothing to do: {suite} is valid for long enough")
    else:
        click.echo(f"published {suite} generation {done.generation}: {done.reason}, accepted by {', '.join(done.judges)}")


def moment(seconds: int) -> str:
    """Return a time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def tell(done: Any) -> None:
    """Say what a publish did."""
    if done.changed:
        click.echo(
            f"published {done.suite} generation {done.generation}: {counted(done.packages, 'package')} ({done.reason}),"
            f" accepted by {', '.join(done.judges)}"
        )
    else:
        click.echo(f"nothing to do: {done.suite} serves this already (generation {done.generation})")


def show_difference(added: Any, removed: Any) -> None:
    """Print what comes and what goes, a line each."""
    for sign, members in (("+", added), ("-", removed)):
        for member in members:
            click.echo(f"{sign} {member.label}")


def _agree(wanted: Any, question: str, *, yes: bool, as_json: bool) -> None:
    """Show what would change and ask, where there is something to ask and somebody to answer."""
    from kubedeb.errors import ExitCode, KubedebError

    if wanted.empty:
        return
    if not as_json:
        show_difference(wanted.added, wanted.removed)
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise KubedebError("nobody is here to be asked", details=question, hint="Say --yes.", code=ExitCode.USAGE)
    click.confirm(question, abort=True)


def _told(moved: Any, *, as_json: bool) -> None:
    """Say what was moved, and what hosts must do that have something newer."""
    from repo.hosts import install_line, pins_text, without

    for one in moved:
        line, pins, gone = install_line(one.down), pins_text(one.down), without(one.down)
        if as_json:
            hosts = {"down": [plain(down) for down in one.down], "command": line, "preferences": pins, "gone": gone}
            print_json({**plain(one.published), "hosts": hosts})
            continue
        tell(one.published)
        if line:
            click.echo(f"\nHosts do not go down by themselves. On each that has a newer one:\n\n    {line}\n")
            click.echo("or, for as long as it takes, in a file in /etc/apt/preferences.d/:\n\n"
                       + "".join(f"    {row}".rstrip() + "\n" for row in pins.splitlines()), nl=False)  # fmt: skip
        if gone:
            click.echo(f"{'' if line else chr(10)}The suite has no version any more of: {' '.join(gone)}. Hosts keep theirs.")
