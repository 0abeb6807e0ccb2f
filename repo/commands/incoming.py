"""`kubedeb repo incoming`: take what was uploaded, once or in a loop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, plain, print_json
from repo.commands.options import open_root, repository_option, say, terms_options


@click.command()
@repository_option
@click.option(
    "--map", "mapping", multiple=True, metavar="DISTRIBUTION=SUITE", help="Where uploads for a Distribution go; repeat."
)
@click.option("--keyring", metavar="DIR", default="", help="A folder of keys to accept, instead of the suites' own.")
@click.option(
    "--patience", default=300.0, show_default=True, type=click.FloatRange(min=0), help="Seconds to wait for an upload's files."
)
@click.option("--publish/--no-publish", default=True, show_default=True, help="Publish the suites that got something.")
@click.option(
    "--every", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Look again and again, until Ctrl-C or SIGTERM."
)
@click.argument("folder", type=click.Path(path_type=Path))
@terms_options
@json_option
def incoming(
    *, repository: Path | None, mapping: tuple[str, ...], keyring: str, patience: float, publish: bool, every: float | None,
    folder: Path, terms: Any, as_json: bool,
) -> None:  # fmt: skip
    """Take the signed .changes files that dput has left in FOLDER; what cannot be taken is moved to FOLDER/rejected."""
    from repo.incoming import Uploads, process

    pairs = [item.partition("=") for item in mapping]
    if wrong := [item for item, pair in zip(mapping, pairs, strict=True) if not all(pair)]:
        raise KubedebError(f"--map {wrong[0]!r} is not DISTRIBUTION=SUITE", code=ExitCode.USAGE)
    uploads = Uploads({name: suite for name, _, suite in pairs}, keyring and str(Path(keyring).absolute()), patience, publish)
    opened = open_root(repository, terms)
    while True:
        try:
            done = process(opened, folder, uploads, say)
        except KubedebError as error:
            # The lock is somebody's for a moment; everything else is not mended by waiting.
            if every is None or error.code is not ExitCode.REPOSITORY_BUSY:
                raise
            done = []
        _print(done, as_json=as_json)
        if every is None:
            if not done and not as_json:
                click.echo(f"nothing to take in {folder}")
            break
        time.sleep(every)
    rejected = [one for one in done if one.outcome == "rejected"]
    if rejected:
        raise KubedebError(
            f"{rejected[0].changes} was rejected: {rejected[0].reason.splitlines()[0]}",
            details="\n".join(f"{one.changes}: {one.reason.splitlines()[0]}" for one in rejected[1:]),
            hint=f"The reason is kept with it in {folder / 'rejected'}.", code=ExitCode.PACKAGE,
        )  # fmt: skip


def _print(done: list[Any], *, as_json: bool) -> None:
    if as_json:
        print_json([plain(one) for one in done])
        return
    for one in done:
        what = ", ".join(one.packages) if one.outcome == "accepted" else one.reason.partition("\n")[0]
        click.echo(f"{one.outcome} {one.changes}{f' for {one.suite}' if one.suite else ''}: {what}")
