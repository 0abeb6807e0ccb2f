"""`kubedeb build`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedeb.config import resolve
from kubedeb.output import json_option, print_json, print_table, table
from kubedeb.progress import Progress, progress
from pkgbuild.commands import options
from pkgbuild.conditions import Conditions
from pkgbuild.keep import Keep
from pkgbuild.library import choose, fitting, makers
from pkgbuild.outcome import Outcome, summary, trouble
from pkgbuild.plan import Verb
from pkgbuild.run import RunOptions, export, run_builds
from pkgbuild.sandbox import TIME_LIMIT, SandboxKind
from pkgbuild.store import Store

if TYPE_CHECKING:
    from pkgbuild.farm import Farm


@click.command()
@click.argument("recipes_wanted", nargs=-1, metavar="[RECIPE[@VERSION]]...")
@click.option("--all", "everything", is_flag=True, help="Build every version of every recipe.")
@click.option(
    "--stale", is_flag=True, help="Build what was built with an older base or toolchain, of all recipes or of those named."
)
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be done and why, and do nothing.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Builds at once.")
@click.option("--check", is_flag=True, help="Build each again, everything varied, and compare byte for byte.")
@click.option("--verify", is_flag=True, help="Hash every stored file, even those whose size and times are as they were.")
@options.sources_option
@click.option("--lintian/--no-lintian", default=True, help="Ask lintian of each build (default: yes).")
@click.option(
    "--root-tests/--no-root-tests", default=True,
    help="Install, upgrade, downgrade, remove and purge each build's packages in a clean root (default: yes).",
)  # fmt: skip
@click.option(
    "--previous", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.deb",
    help="A package that the root tests upgrade from (repeatable; default: the store's newest older version).",
)  # fmt: skip
@click.option("--farm", metavar="tls://HOST:PORT", help="Build on the workers of this dask.distributed scheduler.")
@click.option("--farm-store", metavar="LOCATION", help="What all workers share: a folder or an fsspec URL.")
@click.option("--farm-ca", metavar="FILE", help="The certificate authority of the farm, PEM.")
@click.option("--farm-cert", metavar="FILE", help="This client's certificate, PEM.")
@click.option("--farm-key", metavar="FILE", help="This client's key, PEM.")
@click.option("--shell", is_flag=True, help="When a build fails, open a shell in its sandbox (of one at a time).")
@click.option(
    "--trace-network", is_flag=True, help="Repeat a build that fails under strace, and name the addresses that it tried."
)
@click.option(
    "--memory",
    type=options.SIZE,
    metavar="SIZE",
    help="The memory that a build may use: bytes, or with K, M or G (default: all).",
)
@click.option(
    "--time-limit", type=click.FloatRange(1), default=TIME_LIMIT, show_default=True, metavar="SECONDS",
    help="After how many seconds a build is ended.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Put the packages here too."
)
@options.sandbox_option
@click.option(
    "--sign", "key", type=click.Path(dir_okay=False, path_type=Path), metavar="KEY.pem",
    help="Sign what is stated about the packages in DIR (with -o; kubedeb attest key makes a key).",
)  # fmt: skip
@click.option("--offline", is_flag=True, help="Take sources from the cache alone, and name all that it lacks.")
@options.verbose_option
@options.shared_cache_option
@options.suite_option
@options.architecture_option
@options.recipes_option
@options.store_option
@options.cache_option
@json_option
def build(
    recipes_wanted: tuple[str, ...], recipes: tuple[Path, ...], output: Path | None, suite: str, arch: str,
    store: Path | None, cache: Path | None, farm: str | None, farm_store: str | None, farm_ca: str | None,
    farm_cert: str | None, farm_key: str | None, sandbox: str, key: Path | None, shared_cache: str | None, *, everything: bool,
    as_json: bool, shell: bool, trace_network: bool, memory: int | None, time_limit: float, **how: Any,
) -> None:  # fmt: skip
    """Build packages from recipes, in a clean container without a network.

    RECIPE builds all its versions, RECIPE@VERSION one. What the store holds already is not built again.
    """
    again = options.again(suite, arch, recipes, store, cache, how["sources"])
    again += ("--sandbox", sandbox) if sandbox != SandboxKind.AUTO else ()
    found = options.known_recipes(recipes)
    target = options.target(suite, arch, store, cache, shared_cache)
    keep = Keep(target.store.folder)
    run_options = RunOptions(
        makers=partial(makers, found, keep),
        sandbox=SandboxKind(sandbox),
        conditions=Conditions(memory, time_limit, shell, trace_network, again),
        **how,
        farm=_farm(farm, farm_store=farm_store, farm_ca=farm_ca, farm_cert=farm_cert, farm_key=farm_key),
    )
    options.refuse_both_or_none(recipes_wanted, everything=everything, none_is_all=run_options.stale)
    if key and not output:
        raise click.UsageError("--sign goes with -o: the store keeps unsigned statements.")
    signer = _signer(key) if key else None
    chosen = choose(found, recipes_wanted or sorted(found), keep)
    chosen, left_out = fitting(chosen, recipes_wanted, target.suite, target.architecture)
    if shell and (run_options.jobs > 1 or as_json or farm or not sys.stdin.isatty()):
        raise click.UsageError("--shell needs a terminal, and neither --jobs, --json nor --farm.")
    shown = progress(live=not shell)
    for one in left_out:
        shown.say(str(one))
    outcomes = run_builds(chosen, target, shown, run_options)
    placed = export(outcomes, target.store, output) if output else []
    if signer:
        signer(placed)
    if as_json:
        print_json(
            {
                "builds": [outcome.as_dict(target.store) for outcome in outcomes],
                "placed": [str(path) for path in placed],
                "left_out": [asdict(one) for one in left_out],
            }
        )
    else:
        _print(outcomes, target.store, output, shown, dry=run_options.dry)
    if not outcomes:
        shown.say("nothing to do: no build was made with an older base or toolchain")
    if error := trouble(outcomes):
        raise error


def _signer(key: Path) -> Callable[[Sequence[Path]], None]:
    """Return what signs the statements among files with a key, which is read now. Raises as `dsse.private_key`."""
    from pkgbuild.attest import STATEMENTS, sign_files
    from pkgbuild.dsse import private_key

    private = private_key(key)
    return lambda files: sign_files([path for path in files if path.name.endswith(STATEMENTS)], private)


def _farm(address: str | None, **flags: str | None) -> Farm | None:
    """Return the farm of the flags and settings; none without an address."""
    if address is None:
        return None
    from pkgbuild.farm import Farm

    settings = resolve(flags)
    farm = Farm(address, *(settings[name].text for name in flags))
    farm.check()
    return farm


def _print(outcomes: Sequence[Outcome], store: Store, output: Path | None, shown: Progress, *, dry: bool) -> None:
    results = [(outcome.action.spec, outcome.result) for outcome in outcomes if outcome.result is not None]
    rows = [(package.file, f"{package.size:,}", package.sha256) for _, result in results for package in result.packages]
    if rows and not dry:
        print_table(("package", "bytes", "sha256"), rows)
        for spec, result in results:
            folder = output.absolute() if output else store.build_folder(spec)
            click.echo(f"changes: {folder / result.changes}")
            click.echo(f"log: {store.log(spec)}")
    said = summary(outcomes, dry=dry)
    if len(said) == 1 and outcomes[0].error is None:
        title, what, _, reason = said[0]
        shown.say(f"{title}: {what}{'' if outcomes[0].action.verb is Verb.REBUILD else f', {reason}'}")
    elif len(said) > 1:
        for line in table(("build", "", "seconds", "why"), said):
            shown.say(line)
