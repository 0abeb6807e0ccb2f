"""`kubedeb build`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json, print_table
from kubedeb.progress import Progress, progress
from pkgbuild.commands import options
from pkgbuild.library import choose
from pkgbuild.plan import Verb
from pkgbuild.run import Outcome, RunOptions, export, run_builds
from pkgbuild.store import Store


@click.command()
@click.argument("recipes_wanted", nargs=-1, metavar="[RECIPE[@VERSION]]...")
@click.option("--all", "everything", is_flag=True, help="Build every version of every recipe.")
@click.option("--check", "again", is_flag=True, help="Build each twice and compare the packages byte for byte.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Put the packages here too."
)
@options.suite_option
@options.architecture_option
@options.recipes_option
@options.store_option
@options.cache_option
@json_option
def build(
    recipes_wanted: tuple[str, ...], recipes: tuple[Path, ...], output: Path | None, suite: str, arch: str,
    store: Path | None, cache: Path | None, *, everything: bool, again: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build packages from recipes, in a clean container without a network.

    RECIPE builds all its versions, RECIPE@VERSION one. What the store holds already is not built again.
    """
    if bool(recipes_wanted) == everything:
        raise click.UsageError("Name a recipe, or give --all (kubedeb recipe list shows what there is).")
    found = options.known_recipes(recipes)
    chosen = choose(found, recipes_wanted or sorted(found))
    target = options.target(suite, arch, store, cache)
    shown = progress()
    outcomes = run_builds(chosen, target, shown, RunOptions(check=again))
    placed = export(outcomes, target.store, output) if output else []
    if as_json:
        print_json(
            {"builds": [outcome.as_dict(target.store) for outcome in outcomes], "placed": [str(path) for path in placed]}
        )
    else:
        _print(outcomes, target.store, output, shown)
    _complain(outcomes)


def _print(outcomes: Sequence[Outcome], store: Store, output: Path | None, shown: Progress) -> None:
    for outcome in outcomes:
        spec = outcome.action.spec
        if outcome.lost is not None:
            shown.say(outcome.lost.brief)
        elif outcome.action.verb is Verb.SKIP:
            shown.say(f"{spec.title}: nothing to do, {outcome.action.reason}")
        elif outcome.action.verb is Verb.REBUILD:
            shown.say(f"{spec.title}: built again, the same bytes")
    results = [(outcome.action.spec, outcome.result) for outcome in outcomes if outcome.result is not None]
    rows = [(package.file, f"{package.size:,}", package.sha256) for _, result in results for package in result.packages]
    if rows:
        print_table(("package", "bytes", "sha256"), rows)
    for spec, result in results:
        folder = output.absolute() if output else store.build_folder(spec)
        click.echo(f"changes: {folder / result.changes}")
        click.echo(f"log: {store.log(spec)}")


def _complain(outcomes: Sequence[Outcome]) -> None:
    """Raise when something was not run."""
    lost = [outcome.lost for outcome in outcomes if outcome.lost is not None]
    if not lost:
        return
    if len(lost) == 1 and len(outcomes) == 1:
        raise lost[0]
    raise KubedebError(
        f"{len(lost)} of {len(outcomes)} builds did not run",
        details="\n".join(f"{error.brief}\n{error.details}" for error in lost),
        hint=lost[0].hint,
        code=ExitCode.SOURCE_GONE,
    )
