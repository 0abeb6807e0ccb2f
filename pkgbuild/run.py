"""What `kubedeb build` does: choose, expand, plan, fetch, build, and say of each spec what became of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, replacing
from kubedeb.progress import Progress
from pkgbuild import base, dockerd
from pkgbuild.build import Workshop, build, check
from pkgbuild.cache import Cache
from pkgbuild.dockersandbox import docker_sandbox
from pkgbuild.fetch import apt_archive, fetch
from pkgbuild.library import Chosen
from pkgbuild.plan import Action, Verb, plan
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import Expanded, Locked, expand
from pkgbuild.stage import sandbox_stage
from pkgbuild.store import BuildResult, Store


@dataclass(frozen=True)
class Target:
    """What packages are built for, where they are kept, and the mirror of the settings ("": the machine's own)."""

    suite: Suite
    architecture: Architecture
    store: Store
    cache: Cache
    mirror: str = ""


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about it; none of it decides what is built. `check`: build each once more and compare."""

    check: bool = False


DEFAULT_OPTIONS = RunOptions()


@dataclass(frozen=True)
class Outcome:
    """What became of one spec: a result (new, checked or held), or the error that says why it was not run."""

    action: Action
    result: BuildResult | None
    lost: KubedebError | None = None

    def as_dict(self, store: Store) -> dict[str, Any]:
        """Return the outcome as `--json` prints it; paths are absolute, sizes in bytes."""
        spec, result = self.action.spec, self.result
        about: dict[str, Any] = {
            "recipe": spec.recipe, "version": spec.version, "package_version": spec.package_version, "suite": spec.suite,
            "architecture": spec.architecture, "digest": spec.digest, "action": self.action.verb.value if result else "not-run",
            "reason": self.lost.brief if self.lost else self.action.reason, "packages": [],
        }  # fmt: skip
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
        }  # fmt: skip


def run_builds(
    chosen: Sequence[Chosen], target: Target, progress: Progress, options: RunOptions = DEFAULT_OPTIONS
) -> list[Outcome]:
    """Bring every chosen version's packages into the store.

    A version whose source is gone is not run and does not keep the others from it. Every other error ends the run.
    """
    lock = target.store.base(target.suite, target.architecture)
    if lock is None:
        for one in chosen:  # a recipe that cannot be expanded is told before half a minute goes into a base
            expand(one, target.suite, target.architecture)
        progress.say(f"There is no base for {target.suite} {target.architecture} yet: making it, once.")
        lock = base.update(target.store, target.suite, target.architecture, target.mirror, progress).lock
    locked = Locked(lock.digest, sandbox_stage().digest)
    expanded = [expand(one, target.suite, target.architecture, locked) for one in chosen]
    actions = [_plan(one, target.store, options) for one in expanded]
    if all(action.verb is Verb.SKIP for action in actions):
        return [Outcome(action, target.store.result(action.spec)) for action in actions]
    with dockerd.connect() as client:
        image = base.ensure_images(client, target.store, lock, progress)
        pins = [pin for action in actions if action.verb is not Verb.SKIP for pin in action.spec.sources]
        lost = fetch(pins, target.cache, apt_archive(target.mirror), progress)
        shop = Workshop(target.store, target.cache, partial(docker_sandbox, client, image))
        outcomes = []
        for build_of, action in zip(expanded, actions, strict=True):
            gone = next((lost[pin] for pin in action.spec.sources if pin in lost), None)
            outcomes.append(Outcome(action, None, gone) if gone else _carry_out(build_of, action, shop, progress, options))
        return outcomes


def _plan(expanded: Expanded, store: Store, options: RunOptions) -> Action:
    spec = expanded.spec
    return plan(spec, stored=store.result(spec) is not None, earlier=store.earlier(spec), check=options.check)


def _carry_out(expanded: Expanded, action: Action, shop: Workshop, progress: Progress, options: RunOptions) -> Outcome:
    held = shop.store.result(action.spec)
    if action.verb is Verb.SKIP:
        return Outcome(action, held)
    if held is None:
        with progress.task(f"build {action.spec.title}") as task:
            task.note(action.reason)
            held = build(expanded, shop)
    if options.check:
        with progress.task(f"build {action.spec.title} again and compare"):
            check(expanded, shop, held)
    return Outcome(action, held)


def export(outcomes: Sequence[Outcome], store: Store, folder: Path) -> list[Path]:
    """Copy every package, .changes and .buildinfo of the outcomes into `folder`: never a link, people sign files in place."""
    placed: list[Path] = []
    with storage_errors(str(folder), ExitCode.BUILD_STORAGE):
        folder.mkdir(parents=True, exist_ok=True)
        for outcome in outcomes:
            built = store.build_folder(outcome.action.spec)
            placed += [_copy(built / name, folder / name) for name in (outcome.result.files if outcome.result else [])]
    return placed


def _copy(source: Path, target: Path) -> Path:
    with replacing(target) as out, source.open("rb") as stream:
        shutil.copyfileobj(stream, out, CHUNK)
    return target
