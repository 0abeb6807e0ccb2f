"""`kubedeb lint`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from kubedeb.deb import DebError
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import counted, json_option, print_json
from pkgbuild.finding import Finding, Level
from pkgbuild.upgradechecks import Subject, read_subject
from pkgbuild.upgradelint import RULES
from pkgbuild.upgradelint import lint as find


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE.deb...", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--rule", "wanted", multiple=True, type=click.Choice([rule.id for rule in RULES]), metavar="ID",
    help="Ask this rule only (repeatable); docs/lint.md lists them.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Fail for warnings too.")
@json_option
def lint(files: tuple[Path, ...], wanted: tuple[str, ...], *, strict: bool, as_json: bool) -> None:
    """Say whether packages, anybody's, are safe to install and upgrade on a node that serves.

    Maintainer scripts, conffiles, dependencies, units: what would restart a daemon, ask a question or delete data.
    """
    rules = [rule for rule in RULES if not wanted or rule.id in wanted]
    found = {str(path): find(_read(path), rules) for path in files}
    failing = [finding for findings in found.values() for finding in findings if _fails(finding, strict=strict)]
    if as_json:
        packages = {file: [asdict(finding) for finding in findings] for file, findings in found.items()}
        print_json({"rules": [rule.id for rule in rules], "packages": packages})
    else:
        for file, findings in found.items():
            _print(file, findings)
    if failing:
        remedies = {rule.id: rule.remedy for rule in rules}
        counts = Counter(finding.rule for finding in failing)
        raise KubedebError(
            f"{counted(len(failing), 'finding')} in {sum(map(bool, found.values()))} of {counted(len(found), 'package')}",
            details="\n".join(f"{rule} ({count}): {remedies[rule]}" for rule, count in sorted(counts.items())),
            hint="docs/lint.md says of each rule why it is there.", code=ExitCode.LINT,
        )  # fmt: skip


def _fails(finding: Finding, *, strict: bool) -> bool:
    return finding.level is Level.ERROR or (strict and finding.level is Level.WARNING)


def _read(path: Path) -> Subject:
    try:
        return read_subject(path)
    except DebError as error:
        raise KubedebError(
            f"{path} is not a package that dpkg would take", details=str(error), code=ExitCode.PACKAGE
        ) from error
    except OSError as error:
        raise KubedebError(f"cannot read {path}", details=error.strerror or str(error), code=ExitCode.PACKAGE) from error


def _print(file: str, findings: tuple[Finding, ...]) -> None:
    if not findings:
        click.echo(f"{file}: nothing found")
    for finding in findings:
        click.echo(f"{file}: {finding.level}: {finding}")
