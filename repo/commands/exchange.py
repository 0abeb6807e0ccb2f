"""`kubedeb repo import`, `mirror` and `export`: what comes from other repositories and goes to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kubedeb.output import counted, json_option, plain, print_json
from repo.commands.options import open_root, repository_option, say, suite_option, terms_options

# What `import` and `mirror` ask of another repository.
ORIGIN = (
    click.option("--keyring", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
                 help="The public keys to trust (.gpg or .asc)."),
    click.option("--from-suite", "from_suites", multiple=True, metavar="SUITE",
                 help="A suite there (default: the same name); ending in / the folder of a flat repository; repeat."),
    click.option("--component", "components", multiple=True, help="Only this component there (default: all); repeat."),
    click.option("--architecture", "-a", "architectures", multiple=True,
                 help="Only this architecture (default: the suite's own); repeat."),
    click.option("--sources", is_flag=True, help="Source packages too."),
    click.option("--allow-expired", is_flag=True, help="Take a Release that is past its Valid-Until."),
)  # fmt: skip


def origin_options(command: Any) -> Any:
    """Give a command the options that say what to take from where."""
    for option in reversed(ORIGIN):
        command = option(command)
    return command


def _origin(where: str, queries: tuple[str, ...], options: dict[str, Any]) -> Any:
    from repo.offers import Origin

    keyring = options["keyring"]
    local = ":" not in where.split("/")[0]
    return Origin(
        str(Path(where).absolute()) if local else where, options["from_suites"], str(keyring.absolute()) if keyring else "",
        options["components"], options["architectures"], queries, options["sources"], options["allow_expired"],
    )  # fmt: skip


@click.command(name="import")
@repository_option
@suite_option
@origin_options
@click.option("--dry-run", is_flag=True, help="Only say what would come.")
@click.option("--publish", "publish_too", is_flag=True, help="Publish the suite afterwards.")
@click.argument("where", metavar="FROM")
@click.argument("queries", metavar="[QUERY]...", nargs=-1)
@terms_options
@json_option
def import_(
    *, repository: Path | None, suite: str, dry_run: bool, publish_too: bool, where: str, queries: tuple[str, ...],
    terms: Any, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Take packages of another repository into a suite's draft, all or none; QUERY chooses.

    FROM is an apt repository (a folder, file: or http:), an export of kubedeb (a .tar or a folder), or a folder of packages.
    """
    from repo.commands.moves import tell
    from repo.importing import import_from

    opened = open_root(repository, terms)
    done = import_from(opened, suite, _origin(where, queries, options), say, dry_run=dry_run, publish=publish_too)
    if as_json:
        print_json(_imported(done))
        return
    _tell(done, would=dry_run)
    if done.published is not None:
        tell(done.published)
    elif done.packages and not dry_run:
        click.echo(f"not yet published: kubedeb repo publish {suite}")


def _imported(done: Any) -> dict[str, Any]:
    names = ("name", "version", "architecture", "size", "sha256")
    return {
        "suite": done.suite, "added": [{name: getattr(package, name) for name in names} for package in done.packages],
        "present": done.present, "bytes": done.bytes, "published": None if done.published is None else plain(done.published),
    }  # fmt: skip


def _tell(done: Any, *, would: bool = False) -> None:
    for package in done.packages:
        click.echo(f"{'would take' if would else 'took'} {package.label} ({package.size} bytes)")
    click.echo(f"{counted(len(done.packages), 'package')} {'would be ' if would else ''}new in the draft of {done.suite},"
               f" {done.present} there already, {done.bytes} bytes {'to be ' if would else ''}brought here")  # fmt: skip


@click.command()
@repository_option
@click.option("--suite", "-s", "suites", multiple=True, help="Only this suite; repeat. With FROM: the suite that follows it.")
@origin_options
@click.argument("where", metavar="[FROM]", required=False)
@click.argument("queries", metavar="[QUERY]...", nargs=-1)
@terms_options
@json_option
def mirror(
    *,
    repository: Path | None,
    suites: tuple[str, ...],
    where: str | None,
    queries: tuple[str, ...],
    terms: Any,
    as_json: bool,
    **options: Any,
) -> None:
    """Let a suite follow another repository, and bring every suite that follows one up to date.

    With FROM what the suite follows is remembered; without, all that is remembered is looked at again: for a timer. What the
    other repository has no longer leaves the suite. One generation for each change, none without.
    """
    from kubedeb.errors import ExitCode, KubedebError
    from repo.mirror import follow, read_mirrors, update

    opened = open_root(repository, terms)
    if where is not None:
        if len(suites) != 1:
            raise KubedebError("name the one suite that follows it: --suite SUITE", code=ExitCode.USAGE)
        follow(opened, suites[0], _origin(where, queries, options))
    done = update(opened, suites, say)
    if as_json:
        print_json([{"suite": one.suite, **({} if one.imported is None else _imported(one.imported)),
                     "published": None if one.published is None else plain(one.published)} for one in done])  # fmt: skip
        return
    if not read_mirrors(opened.layout):
        click.echo("nothing is mirrored")
    _tell_mirrors(done)


def _tell_mirrors(done: list[Any]) -> None:
    from repo.commands.moves import tell

    for one in done:
        if one.imported is None:
            click.echo(f"nothing to do: {one.suite} is as it was there and here")
            continue
        _tell(one.imported)
        tell(one.published)


@click.command()
@repository_option
@click.option("--output", "-o", "target", required=True, type=click.Path(path_type=Path), metavar="FILE.tar|DIR",
              help="Where to: a tar, or a folder that is not there yet.")  # fmt: skip
@click.option("--url", default="", help="Where clients will find it, for the .sources file in it.")
@click.argument("what", metavar="SUITE|SUITE@GENERATION|SNAPSHOT")
@json_option
def export(*, repository: Path | None, target: Path, url: str, what: str, as_json: bool) -> None:
    """Write one suite with all its packages as a signed tree of its own, for a site without network."""
    from repo.export import export as write_export

    done = write_export(open_root(repository), what, target, say, url=url)
    if as_json:
        print_json({**plain(done), "path": str(done.path)})
        return
    click.echo(
        f"wrote {done.path}: suite {done.suite}, generation {done.generation}, {counted(done.packages, 'package')},"
        f" {counted(done.files, 'file')}, {done.bytes} bytes"
    )
