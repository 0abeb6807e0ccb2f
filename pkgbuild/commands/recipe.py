"""`kubedeb recipe`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from kubedeb.config import path_setting
from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import write_bytes
from kubedeb.output import counted, json_option, print_json, print_table
from kubedeb.progress import progress
from pkgbuild.baselock import BaseLock
from pkgbuild.commands import options
from pkgbuild.keep import Keep
from pkgbuild.layers import Wants, wants_of
from pkgbuild.library import RECIPE_FILE, Chosen, choose, fitting, load
from pkgbuild.recipe import BUILD_ARCHITECTURE, Architecture, Recipe
from pkgbuild.sourceneeds import source_needs
from pkgbuild.spec import Expanded, Locked, build_depends_of, expand
from pkgbuild.stage import sandbox_stage
from pkgbuild.target import Target


@click.group()
def recipe() -> None:
    """List, show, check and render recipes, and fetch their sources."""


@recipe.command("list")
@options.recipes_option
@json_option
def list_recipes(recipes: tuple[Path, ...], *, as_json: bool) -> None:
    """List every recipe, its packages and its versions."""
    keep = Keep(path_setting("store"))
    loaded = [load(folder, keep) for folder in options.known_recipes(recipes).values()]
    if as_json:
        print_json([{**_data(one.recipe), "folder": str(one.folder)} for one in loaded])
        return
    rows = [
        (one.recipe.name, ", ".join(package.name for package in one.recipe.packages),
         ", ".join(row.version for row in one.recipe.versions), str(one.folder))
        for one in loaded
    ]  # fmt: skip
    print_table(("recipe", "packages", "versions", "folder"), rows)


@recipe.command()
@click.argument("name", metavar="RECIPE@VERSION")
@options.suite_option
@options.architecture_option
@options.recipes_option
@options.store_option
@json_option
def show(name: str, recipes: tuple[Path, ...], suite: str, arch: str, store: Path | None, *, as_json: bool) -> None:
    """Print one version's BuildSpec: everything that decides the bytes of its packages."""
    spec = _expand_one(name, recipes, suite, arch, store).spec
    if as_json:
        print_json(spec.as_dict())
        return
    click.echo(f"{spec.title} for {spec.suite}, {spec.kind}\ndigest: {spec.digest}")
    click.echo(f"base: {spec.base or 'none yet (kubedeb base update); the digest will change with it'}")
    for pin in spec.sources:
        click.echo(f"source: {pin} {pin.checksum}")
    for package in spec.packages:
        click.echo(f"package: {package.name}")
        for path, origin in package.copies:
            click.echo(f"  {path} (from {origin})")
        for path in package.contents:
            click.echo(f"  {path}{' (conffile)' if path in package.conffiles else ''}")


@recipe.command()
@click.argument("name", metavar="RECIPE@VERSION")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write the tree here.")
@options.suite_option
@options.architecture_option
@options.recipes_option
@json_option
def render(name: str, recipes: tuple[Path, ...], suite: str, arch: str, output: Path | None, *, as_json: bool) -> None:
    """Print the source tree that a build starts from: debian/ and the laid-out files."""
    tree = _expand_one(name, recipes, suite, arch, None).tree
    if output:
        with storage_errors(str(output), ExitCode.BUILD_STORAGE):
            for path, file in tree.items():
                write_bytes(output / path, file.data, mode=0o755 if file.executable else 0o644)
    if as_json:
        print_json({path: file.data.decode(errors="replace") for path, file in sorted(tree.items())})
    elif output:
        click.echo(f"{counted(len(tree), 'file')} written to {output}")
    else:
        for path, file in sorted(tree.items()):
            click.echo(f"==> {path} <==\n{file.data.decode(errors='replace')}")


@recipe.command("lint")
@click.argument("names", nargs=-1, metavar="[RECIPE]...")
@options.recipes_option
@json_option
def lint_recipes(names: tuple[str, ...], recipes: tuple[Path, ...], *, as_json: bool) -> None:
    """Check recipes: form, templates of every version and suite, packages against debian/control."""
    from pkgbuild.lint import lint, unpinned

    found = options.known_recipes(recipes)
    chosen = {one.loaded.folder: one.loaded for one in choose(found, names or sorted(found))}
    findings = {loaded.recipe.name: lint(loaded) for loaded in chosen.values()}
    if as_json:
        print_json(findings)
    bad = [f"{name}: {line}" for name, lines in findings.items() for line in lines]
    if bad:
        raise KubedebError("recipes have findings", details="\n".join(bad), code=ExitCode.RECIPE)
    if not as_json:
        for loaded in chosen.values():
            click.echo(f"{loaded.recipe.name}: ok, {counted(len(loaded.recipe.versions), 'version')}")
            for line in unpinned(loaded):
                click.echo(f"  {line}")


@recipe.command("fetch")
@click.argument("names", nargs=-1, metavar="[RECIPE[@VERSION]]...")
@click.option("--all", "everything", is_flag=True, help="Fetch the sources of every version of every recipe.")
@click.option(
    "--from", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="Take a kit in, or every file of this folder whose digest is pinned, whatever its name, before asking the mirror.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Make a kit for offline rebuilds: sources of all architectures, base locks, packages of bases and layers.",
)  # fmt: skip
@options.store_option
@click.option("--offline", is_flag=True, help="Ask no network: say what the cache lacks.")
@options.verbose_option
@options.shared_cache_option
@options.suite_option
@click.option(
    "--arch", type=click.Choice([architecture.value for architecture in Architecture]),
    help="Sources for this architecture alone (default: amd64; with -o all that a version has).",
)  # fmt: skip
@options.recipes_option
@options.cache_option
@json_option
def fetch_sources(
    names: tuple[str, ...], folder: Path | None, suite: str, arch: str | None, recipes: tuple[Path, ...], cache: Path | None,
    shared_cache: str | None, output: Path | None, store: Path | None,
    *, everything: bool, offline: bool, verbose: bool, as_json: bool,
) -> None:  # fmt: skip
    """Bring pinned sources, and the locked packages that builds need, into the cache: from a folder, else from the mirror."""
    from pkgbuild.fetching import Wanted, bring_all

    options.refuse_both_or_none(names, everything=everything)
    found = options.known_recipes(recipes)
    target = options.target(suite, arch or BUILD_ARCHITECTURE, store, cache, shared_cache)
    shown = progress()
    each = list(Architecture) if output and arch is None else [target.architecture]
    chosen = choose(found, names or sorted(found))
    fits = {architecture: fitting(chosen, () if len(each) > 1 else names, target.suite, architecture) for architecture in each}
    for left_out in dict.fromkeys(one for _, lost in fits.values() for one in lost):
        shown.say(str(left_out))
    specs = [expand(one, target.suite, architecture).spec for architecture, (some, _) in fits.items() for one in some]
    chosen = list({id(one): one for some, _ in fits.values() for one in some}.values())
    pins = [pin for spec in specs for pin in spec.sources]
    wanted = Wanted(pins, partial(_wants, target, chosen), folder, output.absolute() if output else None)
    lost, taken = bring_all(wanted, target, shown, offline=offline, verbose=verbose)
    if as_json:
        files = [
            {"source": str(pin), pin.checksum.algorithm.value: pin.checksum.value,
             "file": None if pin in lost else str(target.cache.path(pin.checksum))}
            for pin in pins
        ]  # fmt: skip
        print_json({"sources": files, "taken": [str(file) for file in taken.files]})
    else:
        rows = [(str(pin), "NOT RUN: source gone" if pin in lost else str(target.cache.path(pin.checksum))) for pin in pins]
        print_table(("source", "file"), rows)
    if lost:
        raise next(iter(lost.values()))


@recipe.command("bump")
@click.argument("name", metavar="RECIPE")
@click.argument("version", metavar="VERSION")
@click.option("--accept", is_flag=True, help="Where upstream says no digest, take what it sends now, and say so.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="The row's date (default: today).")
@options.verbose_option
@options.recipes_option
@options.cache_option
@json_option
def bump_recipe(
    name: str, version: str, recipes: tuple[Path, ...], cache: Path | None, day: datetime | None,
    *, accept: bool, verbose: bool, as_json: bool,
) -> None:  # fmt: skip
    """Add a version after the example of the last one, or pin what a version's row left unpinned.

    Digests come from upstream's checksum file, from what its signature covers, or from Debian's signed index.
    """
    from pkgbuild.bump import edited
    from pkgbuild.fetch import network
    from pkgbuild.recipeform import read

    chosen = choose(options.known_recipes(recipes), [name])[0].loaded
    file, target, shown = chosen.folder / RECIPE_FILE, options.target("bookworm", "amd64", None, cache), progress()
    net = network(target.cache, target.mirror, target.mirrors, shown.say if verbose else lambda _: None)
    with file.open(newline="") as stream:
        text = stream.read()
    done = edited(text, chosen, version, (day or datetime.now(UTC)).date(), net, target.cache.folder / "bump", accept=accept)
    read(done.text, file)
    with storage_errors(str(file), ExitCode.BUILD_STORAGE):
        write_bytes(file, done.text.encode())
    if as_json:
        print_json({"recipe": name, "version": version, "file": str(file), "sources": done.said})
        return
    for line in done.said:
        click.echo(line)
    click.echo(f"{name} {version} is in {file}")


@recipe.command("schema")
def print_schema() -> None:
    """Print the JSON schema of recipe.yaml (kept in recipes/recipe.schema.json)."""
    from pkgbuild.schema import schema

    click.echo(schema(), nl=False)


def _expand_one(name: str, recipes: tuple[Path, ...], suite: str, arch: str, store: Path | None) -> Expanded:
    target = options.target(suite, arch, store, None)
    keep = Keep(target.store.folder)
    chosen: list[Chosen] = choose(options.known_recipes(recipes), [name], keep)
    if len(chosen) != 1:
        versions = ", ".join(one.row.version for one in chosen)
        raise click.UsageError(f"Name one version of {name}: {name}@VERSION with VERSION one of {versions}.")
    lock = target.store.base(target.suite, BUILD_ARCHITECTURE)
    return expand(chosen[0], target.suite, target.architecture, _locked(target, lock, chosen[0]), keep.pages)


def _data(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as JSON-able data."""
    rows = [{**asdict(row), "date": row.date.isoformat()} for row in recipe.versions]
    return {**asdict(recipe), "versions": rows}


def _wants(target: Target, chosen: Sequence[Chosen], lock: BaseLock) -> set[Wants]:
    """Return the sets of build dependencies beyond a base, of those source packages that the store or the cache has too."""
    needs = source_needs(chosen, target.architecture, lock, target.store, target.cache, None)
    return wants_of(chosen, (), target.architecture, needs)


def _locked(target: Target, lock: BaseLock | None, chosen: Chosen) -> Locked:
    """Return what the builds of a recipe stand on now; packages of ours that it build-depends on are not looked for."""
    if lock is None:
        return Locked("", sandbox_stage().digest)
    needs = source_needs([chosen], target.architecture, lock, target.store, target.cache, None)
    wants = build_depends_of(chosen, target.architecture, needs)
    layer = target.store.layer(lock.digest, wants) if wants else None
    return Locked(lock.digest, sandbox_stage().digest, {wants: layer.digest} if layer else {}, needs)
