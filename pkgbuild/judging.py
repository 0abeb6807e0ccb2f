"""Builds and their judges: a new build is judged before it is stored, a stored one when a verdict is wanted that it lacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kubedeb.files import canonical_json, write_text
from pkgbuild import statement
from pkgbuild.attest import stated_too
from pkgbuild.finding import LintVerdict
from pkgbuild.inspectbuild import Inspected, Inspector, inspect_build, merged, refuse
from pkgbuild.reading import Readings
from pkgbuild.spec import BuildSpec
from pkgbuild.store import BuildResult, Store
from pkgbuild.upgradechecks import Subject

VERDICT = "lint.json"
"""The `LintVerdict` of a build, beside its packages in the store."""


def judge(spec: BuildSpec, packages: Sequence[Path], store: Store, inspector: Inspector, readings: Readings) -> Inspected:
    """Ask the judges of a build; its log gets what they found. Raises `KubedebError` (LINT) for an error or a warning."""
    previous = inspector.previous or store.previous(spec)
    inspected = inspect_build(packages, previous, inspector, lambda path: Subject(readings.of(path).contents))
    with store.log(spec).open("a") as log:
        log.writelines(f"{finding.level}: {finding}\n" for finding in inspected.verdict.findings)
        log.writelines(f"{name}: {seconds} s\n" for name, seconds in inspected.seconds.items())
    refuse(spec.title, inspected.verdict)
    return inspected


def keep_verdict(folder: Path, verdict: LintVerdict) -> None:
    """Write a verdict beside the packages that it is about."""
    write_text(folder / VERDICT, canonical_json(verdict.as_dict()))


def judge_stored(
    spec: BuildSpec, store: Store, inspector: Inspector, waiting: Callable[[], object], stopped: Callable[[], bool]
) -> BuildResult | None:
    """Ask those judges that have not judged a stored build yet, and state the verdict of all beside its packages.

    The packages stay as they are, and the judges that did judge are not asked again. Returns None when the store has no whole
    build of the spec. Raises `KubedebError` (LINT): the store then is as it was.
    """
    with store.alone(spec, waiting, stopped):
        held = store.result(spec)
        if held is None or not (lacking := inspector.lacking(held.inspection)):
            return held
        folder = store.build_folder(spec)
        before = read_verdict(folder)
        asked = inspector if before is None else inspector.only(lacking)
        inspected = judge(spec, [folder / package.file for package in held.packages], store, asked, Readings())
        verdict = inspected.verdict if before is None else merged(before, inspected.verdict)
        judged = replace(held, inspection={**held.inspection, **inspected.seconds})
        predicate = statement.lint(verdict)
        stated = stated_too(folder, held.packages, statement.LINT, predicate) if predicate else {}
        store.amend(spec, judged, {VERDICT: canonical_json(verdict.as_dict()).encode(), **stated})
        return judged


def read_verdict(folder: Path) -> LintVerdict | None:
    """Return the verdict beside a build's packages, None when there is none that can be read."""
    try:
        return LintVerdict.from_data(json.loads((folder / VERDICT).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
