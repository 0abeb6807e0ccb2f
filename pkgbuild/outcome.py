"""What became of each spec of a run, as data and as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from pkgbuild.builddeps import names
from pkgbuild.conditions import Conditions
from pkgbuild.plan import Action, Verb
from pkgbuild.spec import BuildSpec
from pkgbuild.store import BuildResult, Store


@frozen
class Outcome:
    """What became of one spec: a result (new, checked or held), or the error that says why there is none.

    `begun` is false when it was not even tried: its source is gone, or a build that it stands on failed.
    """

    action: Action
    result: BuildResult | None
    error: KubedebError | None = None
    begun: bool = True

    @property
    def what(self) -> str:
        """Return one word: the action's verb, `failed` or `not-run`."""
        if self.error is None:
            return self.action.verb.value
        return "failed" if self.begun else "not-run"

    def as_dict(self, store: Store) -> dict[str, Any]:
        """Return the outcome as `--json` prints it; paths are absolute, sizes in bytes."""
        spec, result = self.action.spec, self.result
        about: dict[str, Any] = {
            "recipe": spec.recipe, "version": spec.version, "package_version": spec.package_version, "suite": spec.suite,
            "architecture": spec.architecture, "digest": spec.digest, "action": self.what,
            "reason": self.error.brief if self.error else self.action.reason, "packages": [],
        }  # fmt: skip
        if self.error is not None:
            about |= {"exit_status": int(self.error.code), "details": self.error.details}
            if self.begun:
                about["log"] = str(store.log(spec))
        if result is None:
            return about
        folder = store.build_folder(spec)
        packages = [
            {"name": package.name, "version": package.version, "architecture": package.architecture,
             "file": str(folder / package.file), "size": package.size, "sha256": package.sha256}
            for package in result.packages
        ]  # fmt: skip
        return {
            **about, "packages": packages, "changes": str(folder / result.changes), "buildinfo": str(folder / result.buildinfo),
            "log": str(store.log(spec)), "seconds": result.seconds,
            "inspection": result.inspection,
        }  # fmt: skip


WORDS = {
    Verb.BUILD.value: "built",
    Verb.SKIP.value: "nothing to do",
    Verb.REBUILD.value: "built again, the same bytes",
    Verb.INSPECT.value: "inspected",
    "failed": "FAILED",
    "not-run": "NOT RUN",
}


def summary(outcomes: Sequence[Outcome], *, dry: bool = False) -> list[tuple[str, str, str, str]]:
    """Return the rows of the table at the end of a run: build, what became (`dry`: would become) of it, seconds, why."""
    rows = []
    for outcome in outcomes:
        seconds = f"{outcome.result.seconds:.1f}" if outcome.result and outcome.action.verb is Verb.BUILD else ""
        reason = outcome.error.brief if outcome.error else outcome.action.reason
        what = f"would {outcome.what}" if dry and outcome.action.verb is not Verb.SKIP else WORDS[outcome.what]
        rows.append((outcome.action.spec.title, what, seconds, reason))
    return rows


def blocked(action: Action, by: Sequence[Outcome]) -> Outcome:
    """Return the outcome of a build that is not begun, because builds that it depends on failed; their exit status is its."""
    failures = [other.error for other in by if other.error]
    error = KubedebError(
        f"NOT RUN: {action.spec.title} needs {', '.join(other.action.spec.title for other in by)}",
        details="\n".join(error.brief for error in failures),
        code=failures[0].code if failures else ExitCode.BUILD,
    )
    return Outcome(action, None, error, begun=False)


def never_locked(
    spec: BuildSpec, wants: Sequence[str], conditions: Conditions, makers: Mapping[str, str] | None = None
) -> KubedebError:
    """Return the error for a build whose build dependencies are not locked; pure. `makers`: the recipe of each package."""
    named = {name: (makers or {}).get(name, "") for relation in wants for name in names(relation)}
    recipes = sorted({recipe for recipe in named.values() if recipe not in ("", spec.recipe)})
    hints = [f"In one run with {' and '.join(recipes)} it has their packages:\n{conditions.together(spec, recipes)}"]
    lock = f"This locks them, where {spec.suite} has them, and leaves what is locked as it is:\n{conditions.lock_missing()}"
    return KubedebError(
        f"NOT RUN: {spec.title} build-depends on what was never locked: {', '.join(wants)}",
        details="A build takes locked packages alone, so that it is the same build tomorrow.\n"
        "Packages of ours come from a recipe of the same run, or from --sources.",
        hint="\n".join([*(hints if recipes else []), *([lock] if len(recipes) < len(named) else [])]),
        code=ExitCode.SANDBOX,
    )


def trouble(outcomes: Sequence[Outcome]) -> KubedebError | None:
    """Return the error that a run ends with, None when all is well; its code is that of the first that failed."""
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if len(outcomes) == 1 or not errors:
        return errors[0] if errors else None
    return KubedebError(
        f"{len(errors)} of {len(outcomes)} builds failed or did not run",
        details="\n".join(f"{error.brief}\n{error.details}\n{error.hint}".replace("\n\n", "\n").strip() for error in errors),
        code=errors[0].code,
    )
