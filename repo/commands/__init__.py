"""`kubedeb repo …`: what each command is asked and what it prints; the work is in the module of the same name."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kubedeb.output import json_option, print_json, print_table
from repo.commands.care import fsck, metrics, stats
from repo.commands.care import page as page_command
from repo.commands.exchange import export, import_, mirror
from repo.commands.explain import explain
from repo.commands.gc import gc, hold
from repo.commands.incoming import incoming
from repo.commands.key import key
from repo.commands.moves import log, phase, promote, publish, release_set, rollback
from repo.commands.options import open_root, repository_option, root_of, say, suite_option, terms_options
from repo.commands.search import search
from repo.commands.snapshot import snapshot


@click.group()
def repo() -> None:
    """Keep a signed apt repository.

    add changes a suite's draft; publish makes the draft the suite's next generation.
    """


repo.add_command(fsck)
repo.add_command(metrics)
repo.add_command(page_command)
repo.add_command(stats)
repo.add_command(explain)
repo.add_command(export)
repo.add_command(import_)
repo.add_command(mirror)
repo.add_command(gc)
repo.add_command(hold)
repo.add_command(incoming)
repo.add_command(search)
repo.add_command(log)
repo.add_command(phase)
repo.add_command(promote)
repo.add_command(publish)
repo.add_command(release_set)
repo.add_command(rollback)
repo.add_command(snapshot)
repo.add_command(key)


@repo.command()
@repository_option
@click.option("--origin", required=True, help="Who the repository is, for apt; can never be changed.")
@click.option("--label", help="A name for people (default: the origin); can never be changed.")
@click.option("--url", help="Where clients will find it, for the .sources file (default: its folder).")
@click.option("--suite", "-s", "suites", multiple=True, default=("bookworm",), show_default=True, help="A suite; repeat.")
@click.option("--architecture", "-a", "architectures", multiple=True, default=("amd64",), show_default=True,
              help="An architecture of the suites; repeat.")  # fmt: skip
@click.option("--storage", default="", metavar="s3://BUCKET/PREFIX",
              help="Keep what is published in an object store; keys, drafts and staging stay in the folder.")  # fmt: skip
@click.option("--endpoint-url", default="", help="The object store's address, where it is not the cloud's own.")
@click.option("--valid-for", type=click.FloatRange(min=0), metavar="DAYS",
              help="Let the suites' Release expire after so many days; `resign` must run in time. 0: never.")  # fmt: skip
@click.option("--not-automatic", is_flag=True, default=None, help="apt takes from these suites what is asked for only; frozen.")
@click.option("--but-automatic-upgrades", is_flag=True, default=None, help="… but upgrades what came from them; frozen.")
@click.option("--zstd", is_flag=True, help="Serve the indices as .zst too.")
@click.option("--contents/--no-contents", default=None, help="List what packages lay down, for apt-file.")
@click.option("--translations/--no-translations", default=None, help="Put long descriptions into Translation-en.")
@click.option("--gate", "gates", multiple=True, metavar="lint|reproduced[=N]|TYPE[=N]",
              help="Take only packages of which statements say so, by N makers; repeat. none: no gate.")  # fmt: skip
@click.option("--gate-keys", metavar="DIR", help="Only statements that an ed25519 key (PEM) in this folder has signed count.")
@click.option("--installable/--no-installable", default=None, help="Refuse what would leave packages that cannot be installed.")
@click.option("--background", multiple=True, metavar="SUITE|FILE.sources",
              help="What hosts have besides: a suite of this repository, or apt sources; repeat. none: nothing.")  # fmt: skip
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="gc keeps the newest N versions of a package. 0: all.")
@click.option(
    "--keep-generations", type=click.IntRange(min=2), metavar="N", help="gc keeps the last N generations (default 10)."
)
@click.option("--page/--no-page", default=None, help="Make the suites' web pages anew with each generation.")
@click.option("--changes-keyring", metavar="DIR",
              help="Take only .changes files that a key in this folder (.gpg, .asc) has signed. Empty: take all.")  # fmt: skip
@json_option
def init(
    *, repository: Path | None, origin: str, label: str | None, url: str | None, suites: tuple[str, ...],
    architectures: tuple[str, ...], storage: str, endpoint_url: str, valid_for: float | None, not_automatic: bool | None,
    but_automatic_upgrades: bool | None, zstd: bool, keep: int | None, keep_generations: int | None,
    changes_keyring: str | None, contents: bool | None, translations: bool | None, page: bool | None, gates: tuple[str, ...],
    gate_keys: str | None, installable: bool | None, background: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Make a repository with a key of its own, or add suites to one that is there."""
    from repo.init import Wish, initialise

    asked = {
        "valid_for": None if valid_for is None else int(valid_for * 86400), "not_automatic": not_automatic,
        "but_automatic_upgrades": but_automatic_upgrades, "forms": (".gz", ".xz", ".zst") if zstd else None,
        "gates": _several(gates), "gate_keys": str(Path(gate_keys).absolute()) if gate_keys else gate_keys,
        "installable": installable, "background": _several(tuple(_absolute(name) for name in background)),
        "contents": contents, "translations": translations, "keep": keep, "keep_generations": keep_generations,
        "page": page,
        "changes_keyring": str(Path(changes_keyring).absolute()) if changes_keyring else changes_keyring,
    }  # fmt: skip
    options = {name: value for name, value in asked.items() if value is not None}
    wish = Wish(origin, label, url, suites, architectures, storage, endpoint_url, options)
    result = initialise(root_of(repository), wish)
    layout, identity = result.repository.layout, result.repository.identity
    if as_json:
        print_json({"root": str(layout.root), "public": str(layout.public), **asdict(identity), "done": result.done})
        return
    for line in result.done:
        click.echo(f"made {line}")
    if not result.done:
        click.echo(f"nothing to do: {layout.root} is as asked for")


def _several(given: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what an option that may be repeated asks for, None for nothing; `none` takes it back."""
    return tuple(name for name in given if name != "none") if given else None


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if name.endswith(".sources") else name


@repo.command()
@repository_option
@suite_option
@click.option("--publish", "publish_too", is_flag=True, help="Publish the suite afterwards.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=False))
@terms_options
@json_option
def add(*, repository: Path | None, suite: str, publish_too: bool, files: tuple[Path, ...], terms: Any, as_json: bool) -> None:
    """Add FILES to a suite's draft, all or none: .deb, .dsc, .changes, .buildinfo, statements, or folders of them."""
    from repo.add import look, take
    from repo.transaction import transaction

    opened = open_root(repository, terms)
    looked = look(opened, suite, files)
    with transaction(opened, say) as writer:
        added = take(writer, looked)
        # A hundred thousand packages are heavy, and publishing reads them anew.
        del looked
        document: dict[str, Any] = {
            "suite": suite,
            "added": [_package_json(package) for package in added.packages],
            "present": [_package_json(package) for package in added.present],
            "passed_over": list(added.passed_over),
        }
        if not as_json:
            for package in added.packages:
                click.echo(f"added {package.label} ({package.size} bytes, sha256 {package.sha256})")
            for package in added.present:
                click.echo(f"{package.label} is in {suite} already")
            for name in added.passed_over:
                click.echo(f"passed over {name}: no package, and nothing about one")
        waiting = bool(added.packages)
        del added
        _publish_too(writer, suite, document, asked=publish_too, waiting=waiting, as_json=as_json)
    if as_json:
        print_json(document)


@repo.command()
@repository_option
@suite_option
@click.option("--publish", "publish_too", is_flag=True, help="Publish the suite afterwards.")
@click.argument("packages", metavar="QUERY...", nargs=-1, required=True)
@terms_options
@json_option
def remove(
    *, repository: Path | None, suite: str, publish_too: bool, packages: tuple[str, ...], terms: Any, as_json: bool
) -> None:
    """Let packages leave a suite with its next publish; without =VERSION, all versions: all that are named or none."""
    from repo.remove import withdraw
    from repo.transaction import transaction

    opened = open_root(repository, terms)
    opened.suite(suite)
    with transaction(opened, say) as writer:
        removed = withdraw(writer, suite, packages)
        document: dict[str, Any] = asdict(removed)
        if not as_json:
            for member in removed.withdrawn:
                click.echo(f"{member.label} is no longer in the draft of {suite}")
            for member in removed.leaving:
                click.echo(f"{member.label} leaves {suite} with the next publish")
        _publish_too(writer, suite, document, asked=publish_too, waiting=bool(removed.leaving), as_json=as_json)
    if as_json:
        print_json(document)


def _package_json(package: Any) -> dict[str, Any]:
    return {name: getattr(package, name) for name in ("name", "version", "architecture", "size", "sha256")}


@repo.command()
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
        print_json({"suite": suite, "changed": False} if done is None else asdict(done))
    elif done is None:
        click.echo(f"nothing to do: {suite} is valid for long enough")
    else:
        click.echo(f"published {suite} generation {done.generation}: {done.reason}, accepted by {', '.join(done.judges)}")


def _publish_too(writer: Any, suite: str, document: dict[str, Any], *, asked: bool, waiting: bool, as_json: bool) -> None:
    """End a change of a draft: publish it when that was asked for, else say what waits."""
    from repo.commands.moves import tell
    from repo.publish import publish_draft

    if asked:
        done = publish_draft(writer, suite)
        document["published"] = asdict(done)
        if not as_json:
            tell(done)
    elif waiting and not as_json:
        click.echo(f"not yet published: kubedeb repo publish {suite}")


@repo.command(name="list")
@repository_option
@click.option("--suite", "-s", "suites", multiple=True, help="Only this suite; repeat.")
@click.argument("pattern", metavar="[QUERY]", required=False)
@json_option
def list_(*, repository: Path | None, suites: tuple[str, ...], pattern: str | None, as_json: bool) -> None:
    """List the packages of the suites; QUERY chooses: a dependency as dpkg writes it, with globs."""
    from repo.queries import listing

    rows = listing(open_root(repository), suites, pattern)
    if as_json:
        print_json([{"suite": row.suite, **asdict(row.member), "state": row.state.value} for row in rows])
        return
    cells = [(row.suite, row.member.name, row.member.version, row.member.architecture, row.state.value) for row in rows]
    print_table(("suite", "package", "version", "architecture", "state"), cells)


@repo.command()
@repository_option
@click.argument("package", metavar="QUERY")
@json_option
def show(*, repository: Path | None, package: str, as_json: bool) -> None:
    """Show all that is known of a package."""
    from kubedeb.stanza import one
    from repo.queries import show as show_package

    shown = show_package(open_root(repository), package)
    if as_json:
        print_json([{**one(item.package.stanza), "suites": {row.suite: row.state.value for row in item.suites}}
                    for item in shown])  # fmt: skip
        return
    for number, item in enumerate(shown):
        suites = ", ".join(f"{row.suite} ({row.state.value})" for row in item.suites)
        click.echo(("\n" if number else "") + item.package.stanza + f"Suites: {suites}")


@repo.command()
@repository_option
@click.option("--bind", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 takes a free one.")
@json_option
def serve(*, repository: Path | None, bind: str, port: int, as_json: bool) -> None:
    """Serve the repository over HTTP for development; the access log goes to stderr."""
    from repo.serve import serve as serve_folder

    def ready(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            click.echo(f"serving {opened.layout.public} at {url}")

    opened = open_root(repository)
    serve_folder(opened.layout.public, bind, port, ready)


@repo.command()
@repository_option
@click.argument("where", required=False, metavar="[DIR|URL]")
@click.option("--keyring", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="The key to trust (binary), for a repository that is not ours.")  # fmt: skip
@click.option("--suite", "-s", "suites", multiple=True, help="Only this suite; repeat.")
@json_option
def verify(*, repository: Path | None, where: str | None, keyring: Path | None, suites: tuple[str, ...], as_json: bool) -> None:
    """Read a published repository as apt does, every byte, and list all that is wrong."""
    from repo.verify import add_own, subject
    from repo.verify import verify as verify_repository

    apt_repository, chosen, ours = subject(root_of(repository), where, keyring, suites)
    report = verify_repository(apt_repository, chosen, say)
    if ours is not None:
        add_own(ours, chosen, report)
    if as_json:
        print_json(asdict(report))
    else:
        print_report(report)
    report.stop()


def print_report(report: Any) -> None:
    """Print what verify found, for people."""
    if report.findings:
        print_table(("file", "what is wrong"), [(finding.path, finding.problem) for finding in report.findings])
    click.echo(
        f"{', '.join(report.suites)}: {report.packages} packages, {report.files} files, {report.bytes} bytes read,"
        f" {len(report.findings)} findings"
    )
