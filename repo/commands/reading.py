"""`kubedeb repo list`, `show`, `verify` and `serve`: what reads and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kubedeb.output import counted, json_option, plain, print_json, print_table
from repo.commands.options import open_root, repository_option, root_of, say


@click.command(name="list")
@repository_option
@click.option("--suite", "-s", "suites", multiple=True, help="Only this suite; repeat.")
@click.argument("pattern", metavar="[QUERY]", required=False)
@json_option
def list_(*, repository: Path | None, suites: tuple[str, ...], pattern: str | None, as_json: bool) -> None:
    """List the packages of the suites; QUERY chooses: a dependency as dpkg writes it, with globs."""
    from repo.queries import listing

    rows = listing(open_root(repository), suites, pattern)
    if as_json:
        print_json([{"suite": row.suite, **plain(row.member), "state": row.state.value} for row in rows])
        return
    cells = [(row.suite, row.member.name, row.member.version, row.member.architecture, row.state.value) for row in rows]
    print_table(("suite", "package", "version", "architecture", "state"), cells)


@click.command()
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


@click.command()
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


@click.command()
@repository_option
@click.argument("where", required=False, metavar="[DIR|URL]")
@click.option("--keyring", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="The key to trust (.gpg or .asc), for a repository that is not ours.")  # fmt: skip
@click.option("--suite", "-s", "suites", multiple=True, help="Only this suite; repeat.")
@json_option
def verify(*, repository: Path | None, where: str | None, keyring: Path | None, suites: tuple[str, ...], as_json: bool) -> None:
    """Read a published repository as apt does, every byte, and list all that is wrong."""
    from tempfile import TemporaryDirectory

    from repo.uploads import public_keys
    from repo.verify import add_own, subject
    from repo.verify import verify as verify_repository

    with TemporaryDirectory(prefix="kubedeb-verify-") as folder:
        if keyring is not None:
            binary = Path(folder, "keyring.gpg")
            binary.write_bytes(public_keys(keyring))
            keyring = binary
        apt_repository, chosen, ours = subject(root_of(repository), where, keyring, suites)
        report = verify_repository(apt_repository, chosen, say)
    if ours is not None:
        add_own(ours, chosen, report)
    if as_json:
        print_json(plain(report))
    else:
        print_report(report)
    report.stop()


def print_report(report: Any) -> None:
    """Print what verify found, for people."""
    if report.findings:
        print_table(("file", "what is wrong"), [(finding.path, finding.problem) for finding in report.findings])
    click.echo(
        f"{', '.join(report.suites)}: {counted(report.packages, 'package')}, {counted(report.files, 'file')},"
        f" {report.bytes} bytes read, {counted(len(report.findings), 'finding')}"
    )
