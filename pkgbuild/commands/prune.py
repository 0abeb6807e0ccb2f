"""`kubedeb base prune`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from kubedeb.errors import KubedebError
from kubedeb.output import json_option, print_json, print_table
from kubedeb.progress import progress
from pkgbuild.commands import options


@click.command()
@click.option(
    "--days", type=click.FloatRange(0), default=30, show_default=True, metavar="DAYS",
    help="Remove images and caches that no build has used for so long.",
)  # fmt: skip
@click.option(
    "--compile-size", type=options.SIZE, default="20G", show_default=True, metavar="SIZE",
    help="What all compile caches may take; the oldest go first, the newest stays.",
)  # fmt: skip
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be removed and why, and remove nothing.")
@options.store_option
@json_option
def prune(days: float, compile_size: int, store: Path | None, *, dry: bool, as_json: bool) -> None:
    """Remove images, roots, compile caches and kept recipes that builds need no more; what is needed again is made again.

    Images of bases that this store never had stay: they are another store's. So does what a container runs.
    """
    from pkgbuild import dockerd, pruning
    from pkgbuild.compilecache import Limits
    from pkgbuild.session import alone

    kept = options.target("bookworm", "amd64", store, None).store
    with ExitStack() as stack:
        stack.enter_context(alone(kept.folder))
        try:
            client = stack.enter_context(dockerd.connect())
        except KubedebError:
            client = None
            progress().say("No docker daemon answers: its images are left.")
        gone = pruning.prune(kept, client, days, Limits(compile_size, days), dry=dry)
    if as_json:
        print_json([{"what": piece.sort, "name": piece.name, "size": piece.size, "reason": why} for piece, why in gone])
    elif gone:
        print_table(("what", "name", "why"), [(piece.sort, piece.name, why) for piece, why in gone])
    else:
        click.echo("nothing to remove")
