"""`kubedeb rebuild`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import write_bytes
from kubedeb.output import json_option, print_json, print_table
from kubedeb.progress import progress
from pkgbuild import attest, buildinfo, statement
from pkgbuild.commands import options
from pkgbuild.library import folder_of, load
from pkgbuild.rebuild import How, Rebuilt
from pkgbuild.rebuild import rebuild as build_again
from pkgbuild.recorded import row_of, suite_of
from pkgbuild.sandbox import SandboxKind
from pkgbuild.store import BuiltPackage


@click.command()
@click.argument("file", metavar="FILE.buildinfo", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Put the rebuilt packages here."
)
@click.option("--attest", "state", is_flag=True, help="State the verdict in the .intoto.jsonl files beside FILE.buildinfo.")
@options.sandbox_option
@click.option("--offline", is_flag=True, help="Ask no network: sources and packages come from the cache.")
@options.verbose_option
@options.shared_cache_option
@options.recipes_option
@options.store_option
@options.cache_option
@json_option
def rebuild(
    file: Path, output: Path | None, sandbox: str, shared_cache: str | None, recipes: tuple[Path, ...], store: Path | None,
    cache: Path | None, *, state: bool, offline: bool, verbose: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build again in a root of exactly the packages that FILE.buildinfo records, and compare byte for byte.

    Exit status: 0 the same bytes; 39 other bytes, or a package beside the file is not the recorded one; 10 no recipe gives this
    version; 30 a source or a package of the root is gone; 31 one has other bytes; 34 it does not build; 41 no .buildinfo.
    """
    if output and output.resolve() == file.parent.resolve():
        raise click.UsageError("-o names another folder than the one with what was built before.")
    info = _read(file)
    suite = suite_of(info.version)
    chosen = row_of(load(folder_of(info.source, options.known_recipes(recipes))), info, suite)
    target, shown = options.target(suite.value, info.host_architecture, store, cache, shared_cache), progress()
    how = How(SandboxKind(sandbox), offline, verbose, output.absolute() if output else None)
    done = build_again(info, file.parent, chosen, target, how, shown)
    if state:
        _attest(file.parent, done)
    if as_json:
        print_json(_as_data(info, done))
    else:
        print_table(
            ("package", "sha256", ""), [(one.file, one.rebuilt, "same" if one.same else "DIFFERS") for one in done.files]
        )
    if not done.same:
        lines = [line for one in done.files for line in one.lines()]
        raise KubedebError(
            f"{info.source} {info.version} is not reproduced", details="\n".join([*lines, done.differences]).strip(),
            hint="Was it this recipe, and is the record the one that was made with the packages?", code=ExitCode.NOT_REPRODUCED,
        )  # fmt: skip
    shown.say(f"{info.source} {info.version}: reproduced in a root of the {len(done.lock.packages)} recorded packages")


def _read(file: Path) -> buildinfo.BuildInfo:
    try:
        info = buildinfo.parse(file.read_text(), file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise KubedebError(f"cannot read {file}", details=str(reason), code=ExitCode.PACKAGE) from error
    if not info.debs:
        raise KubedebError(f"{file} records no package", code=ExitCode.PACKAGE)
    return info


def _as_data(info: buildinfo.BuildInfo, done: Rebuilt) -> dict[str, object]:
    files = [{**asdict(one), "same": one.same} for one in done.files]
    return {
        "source": info.source, "version": info.version, "reproduced": done.same, "files": files,
        "root": {"digest": done.lock.digest, "packages": [asdict(entry) for entry in done.lock.packages]},
        "differences": done.differences,
    }  # fmt: skip


def _attest(folder: Path, done: Rebuilt) -> None:
    """State each recorded package's own verdict, `against` its .buildinfo."""
    for one in (one for one in done.files if one.recorded):
        verdict = statement.reproduced((), {}, same=one.recorded == one.rebuilt, against="buildinfo")
        package = BuiltPackage("", "", "", one.file, 0, one.recorded)
        for name, data in attest.reproduced(folder, [package], verdict).items():
            with storage_errors(str(folder / name), ExitCode.BUILD_STORAGE):
                write_bytes(folder / name, data)
