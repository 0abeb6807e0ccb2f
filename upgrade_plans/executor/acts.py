"""What each act does to a node, and how the world shows that it is done; their meaning: docs/semantics.md, sections 1 and 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from kubedeb.files import sha256_of
from upgrade_plans.adapters.protocols import RefusedError, UnreachableError, World
from upgrade_plans.executor import drill
from upgrade_plans.executor.journal import Backup
from upgrade_plans.executor.program import Task
from upgrade_plans.executor.readings import line_of, read_member, read_members
from upgrade_plans.models.plan import Act, Plan, Step
from upgrade_plans.models.state import Line


@dataclass(frozen=True)
class Stage:
    """What acts need to know: the world, the plan, the backups made so far, and where the operator's copies go."""

    world: World
    plan: Plan
    backups: tuple[Backup, ...]
    copies: Path

    def pins(self, version: str) -> dict[str, str]:
        """Return the Debian version of each package of an upstream version."""
        return {name: pin.version for name, pin in self.plan.releases[version].packages.items()}

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the names of all packages that the plan knows."""
        return tuple(sorted({name for release in self.plan.releases.values() for name in release.packages}))

    @property
    def members(self) -> tuple[str, ...]:
        """Return the members' nodes."""
        return tuple(member.node for member in self.plan.members)


@dataclass(frozen=True)
class Effect:
    """What an act brought back: a line for people, and a backup to be kept in the journal."""

    text: str
    backup: Backup | None = None


class StaleError(RefusedError):
    """A backup cannot be compared any more."""


def shown(stage: Stage, task: Task, node: str) -> bool:
    """Return whether the world shows the act's effect on `node`. Raises `UnreachableError` when it cannot be asked."""
    return SHOWN[task.act](stage, task, node)


def issue(stage: Stage, task: Task, node: str) -> Effect:
    """Take the act on `node`. Raises `KubedebError` when it fails; it may have happened then nevertheless."""
    return ISSUE[task.act](stage, task, node)


def _download_shown(stage: Stage, task: Task, node: str) -> bool:
    cached = stage.world.packages.cached(node, stage.packages)
    releases = [stage.plan.releases[version] for version in (task.from_, task.to)]
    return all(cached[name].get(pin.version) == pin.sha256 for release in releases for name, pin in release.packages.items())


def _download(stage: Stage, task: Task, node: str) -> Effect:
    cached = stage.world.packages.cached(node, stage.packages)
    for version in dict.fromkeys((task.from_, task.to)):
        # What is there is kept: its version may have left the index since.
        pins = stage.plan.releases[version].packages
        if any(cached[name].get(pin.version) != pin.sha256 for name, pin in pins.items()):
            stage.world.packages.download(node, stage.pins(version))
    return Effect(f"{task.from_} and {task.to} are on the node")


def _copy_there(backup: Backup) -> bool:
    copy = Path(backup.copy)
    return copy.is_file() and sha256_of(copy) == backup.sha256


def _backup_there(stage: Stage, backup: Backup) -> bool:
    return _copy_there(backup) and stage.world.backups.digest(backup.node, backup.path) == backup.sha256


def _save_shown(stage: Stage, task: Task, node: str) -> bool:
    return any(
        backup.step == task.position.step and backup.node == node and _backup_there(stage, backup) for backup in stage.backups
    )


def _save(stage: Stage, task: Task, node: str) -> Effect:
    return save(stage, task.position.step, task.step, node)


def save(stage: Stage, index: int, step: Step, node: str) -> Effect:
    """Save the store, as the backup of the plan's step `index`; one that was saved for it before is replaced."""
    world = stage.world
    before = world.etcd.versions(node)[1]
    name = f"{stage.copies.parent.name}-{step.id}"
    saved = world.backups.save(node, name)
    if world.etcd.versions(node)[1] != before:
        raise RefusedError(f"node {node}", "saving a snapshot", "the cluster version changed while it was saved")
    copy = stage.copies / f"{name}.db"
    world.backups.fetch(node, saved.path, copy)
    if (found := sha256_of(copy)) != saved.sha256:
        raise RefusedError(f"node {node}", "copying the backup", f"sha256 {saved.sha256} on the node, {found} of the copy")
    backup = Backup(
        step=index, node=node, path=saved.path, size=saved.size, sha256=saved.sha256, revision=saved.revision,
        line=line_of(before), copy=str(copy), saved=world.clock.now(),
    )  # fmt: skip
    return Effect(f"{saved.size:,} bytes at revision {saved.revision:,}, sha256 {saved.sha256[:12]}…, copy in {copy}", backup)


def _newest(stage: Stage, task: Task, node: str) -> Backup | None:
    wanted = line_of(task.from_)
    mine = [backup for backup in stage.backups if backup.line == wanted and backup.node == node]
    return mine[-1] if mine else None


def _compare_shown(stage: Stage, task: Task, node: str) -> bool:
    backup = _newest(stage, task, node)
    return backup is not None and backup.proven is not None and _backup_there(stage, backup)


def compare(stage: Stage, task: Task, node: str) -> Effect:
    """Restore the newest backup of `node` and compare it. Raises `StaleError`, `CompactedError`: another one will do."""
    backup, world = _newest(stage, task, node), stage.world
    if backup is None or not _backup_there(stage, backup):
        raise StaleError(f"node {node}", "the drill", "the backup is not there any more, or not what was saved")
    with closing(world.backups.restored(node, backup.path)) as restored:
        found = drill.compare(world.etcd.entries(node, backup.revision), restored)
    if found.differences:
        raise RefusedError(
            f"node {node}", "the drill: the restored backup differs from the live store", "\n".join(found.differences)
        )
    proven = replace(backup, proven=world.clock.now(), keys=found.keys)
    return Effect(f"{found.keys:,} keys restored and compared equal at revision {backup.revision:,}", proven)


def _transfer_shown(stage: Stage, task: Task, node: str) -> bool:  # noqa: ARG001 - one signature for every act
    return read_member(stage.world.etcd, node).leads


def _transfer(stage: Stage, task: Task, node: str) -> Effect:  # noqa: ARG001 - one signature for every act
    readings = read_members(stage.world, stage.members)
    leader = next((reading.node for reading in readings.values() if reading.leads), None)
    target = readings[node].status
    if leader is None or target is None:
        raise UnreachableError("etcd", f"no leader is known, or {node} does not answer")
    if leader != node:
        stage.world.etcd.move_leader(leader, target.member_id)
    return Effect(f"leadership moved from {leader}")


def _install_shown(stage: Stage, task: Task, node: str) -> bool:
    pins = stage.pins(task.to)
    return stage.world.packages.installed(node, tuple(pins)) == pins


def _install(stage: Stage, task: Task, node: str) -> Effect:
    stage.world.packages.install(node, stage.plan.releases[task.to].packages)
    return Effect(f"{task.to} is installed")


def _restart_shown(stage: Stage, task: Task, node: str) -> bool:
    reading = read_member(stage.world.etcd, node)
    return reading.running == task.to and reading.healthy and _install_shown(stage, task, node)


def _restart(stage: Stage, task: Task, node: str) -> Effect:
    stage.world.units.restart(node)
    return Effect(f"runs {task.to}")


def _observe_shown(stage: Stage, task: Task, node: str) -> bool:
    line = read_member(stage.world.etcd, node).line
    return line is not None and line >= line_of(task.to)


SHOWN: Mapping[Act, Callable[[Stage, Task, str], bool]] = {
    Act.DOWNLOAD: _download_shown,
    Act.SAVE: _save_shown,
    Act.COMPARE: _compare_shown,
    Act.TRANSFER: _transfer_shown,
    Act.INSTALL: _install_shown,
    Act.RESTART: _restart_shown,
    Act.OBSERVE: _observe_shown,
}
ISSUE: Mapping[Act, Callable[[Stage, Task, str], Effect]] = {
    Act.DOWNLOAD: _download,
    Act.SAVE: _save,
    Act.COMPARE: compare,
    Act.TRANSFER: _transfer,
    Act.INSTALL: _install,
    Act.RESTART: _restart,
}


def proven_lines(backups: Sequence[Backup]) -> dict[Line, float]:
    """Return, by cluster version line, when the newest backup was saved (seconds since the epoch) of those that were
    restored and compared equal, and are still with the operator.
    """
    proven = sorted((backup for backup in backups if backup.proven is not None and _copy_there(backup)), key=lambda b: b.saved)
    return {backup.line: backup.saved for backup in proven}
