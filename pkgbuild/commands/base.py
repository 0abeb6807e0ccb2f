"""`kubedeb base`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kubedeb.output import counted, json_option, print_json, print_table
from kubedeb.progress import progress
from pkgbuild.baselock import BaseLock
from pkgbuild.commands import options
from pkgbuild.commands.prune import prune
from pkgbuild.layers import LayerUpdate, in_short
from pkgbuild.library import choose, fitting
from pkgbuild.sandbox import SandboxKind
from pkgbuild.session import session


@click.group()
def base() -> None:
    """Make, list and prune the base roots that builds start from."""


base.add_command(prune)


@base.command()
@options.suite_option
@options.architecture_option
@options.recipes_option
@options.store_option
@options.cache_option
@options.shared_cache_option
@options.sandbox_option
@options.sources_option
@click.option("--missing", is_flag=True, help="Lock only what was never locked, and leave the base and all locks as they are.")
@json_option
def update(
    suite: str, arch: str, recipes: tuple[Path, ...], store: Path | None, cache: Path | None, shared_cache: str | None,
    sandbox: str, sources: tuple[Path, ...], *, missing: bool, as_json: bool,
) -> None:  # fmt: skip
    """Lock and make the base root of a suite, and lock what recipes build-depend on; says what is new.

    Every build runs on amd64; --arch arm64 takes the recipes that have sources for it, which are cross-built there. Build
    dependencies that the suite does not have are told and keep nothing else from being locked.
    """
    from pkgbuild.backends import backend
    from pkgbuild.locking import lock_for

    target, shown = options.target(suite, arch, store, cache, shared_cache), progress()
    found = options.known_recipes(recipes)
    chosen, _ = fitting(choose(found, sorted(found)), (), target.suite, target.architecture)
    done = lock_for(chosen, target, shown, sources, missing=missing)
    with session(target.store.folder) as run_file, backend(SandboxKind(sandbox), target.store, shown, run_file) as sandboxes:
        sandboxes.prepare(done.lock)
    if as_json:
        layers = [_layer(one) for one in done.layers]
        print_json({"made": bool(done.reason), "reason": done.reason, **_about(done.lock), "layers": layers})
    else:
        news = f"made anew: {done.reason}" if done.reason else "nothing new"
        click.echo(f"{done.lock.tag}: {len(done.lock.packages)} packages, {news}")
        for one in done.layers:
            if one.layer:
                news = f"locked anew: {one.reason}" if one.reason else "nothing new"
                click.echo(f"{in_short(one.wants)}: {counted(len(one.layer.packages), 'package')} on it, {news}")


def _layer(one: LayerUpdate) -> dict[str, Any]:
    return {
        "build_depends": one.wants, "reason": one.reason, "digest": one.layer.digest if one.layer else None,
        "packages": [asdict(entry) for entry in one.layer.packages] if one.layer else [],
        "error": one.error.details if one.error else None,
    }  # fmt: skip


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
