"""`kubedeb base`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kubedeb.output import json_option, print_json, print_table
from kubedeb.progress import progress
from pkgbuild.baselock import BaseLock
from pkgbuild.commands import options
from pkgbuild.commands.prune import prune
from pkgbuild.recipe import BUILD_ARCHITECTURE
from pkgbuild.sandbox import SandboxKind
from pkgbuild.session import session


@click.group()
def base() -> None:
    """Make, list and prune the base roots that builds start from."""


base.add_command(prune)


@base.command()
@options.suite_option
@options.architecture_option
@options.store_option
@options.sandbox_option
@json_option
def update(suite: str, arch: str, store: Path | None, sandbox: str, *, as_json: bool) -> None:
    """Resolve and make the base root of a suite, or say that nothing is new."""
    from pkgbuild import base as bases
    from pkgbuild.backends import backend

    target, shown = options.target(suite, arch, store, None), progress()
    done = bases.update(target.store, target.suite, BUILD_ARCHITECTURE, target.mirror, shown)
    with session(target.store.folder) as run_file, backend(SandboxKind(sandbox), target.store, shown, run_file) as sandboxes:
        sandboxes.prepare(done.lock)
    if as_json:
        print_json({"made": bool(done.reason), "reason": done.reason, **_about(done.lock)})
    elif done.reason:
        click.echo(f"{done.lock.tag}: {len(done.lock.packages)} packages, made anew: {done.reason}")
    else:
        click.echo(f"{done.lock.tag}: {len(done.lock.packages)} packages, nothing new")


@base.command("list")
@options.store_option
@json_option
def list_bases(store: Path | None, *, as_json: bool) -> None:
    """List the current base of every suite."""
    locks = options.target("bookworm", "amd64", store, None).store.bases()
    if as_json:
        print_json([{**_about(lock), "packages": [asdict(package) for package in lock.packages]} for lock in locks])
        return
    rows = [(lock.suite, lock.architecture, lock.tag, str(len(lock.packages)), lock.digest) for lock in locks]
    print_table(("suite", "arch", "image", "packages", "lock"), rows)


def _about(lock: BaseLock) -> dict[str, Any]:
    return {"suite": lock.suite, "architecture": lock.architecture, "image": lock.tag, "digest": lock.digest}
