"""A rebuild that was killed leaves a root; the next one removes it, unless that other one lives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from kubedeb.files import write_text
from pkgbuild.baselock import BaseLock
from pkgbuild.rebuild import remove_left
from pkgbuild.sandbox import OpenSandbox
from pkgbuild.store import Store

OWN, DEAD, ALIVE = (BaseLock("bookworm", "amd64", (name,), ()) for name in ("own", "dead", "alive"))


class Forgetful:
    """A kind of sandboxes that only forgets."""

    name = "none"

    def __init__(self) -> None:
        self.forgotten: list[BaseLock] = []

    def prepare(self, lock: BaseLock, own: Sequence[tuple[Path, str]] = ()) -> OpenSandbox:
        raise NotImplementedError(lock, own)

    def forget(self, lock: BaseLock) -> None:
        self.forgotten.append(lock)


def test_what_a_killed_rebuild_left_is_removed(tmp_path: Path) -> None:
    store, sandboxes = Store(tmp_path), Forgetful()
    (tmp_path / "locks").mkdir()
    for lock in (OWN, DEAD, ALIVE):
        write_text(tmp_path / "rebuilds" / f"{lock.digest}.json", lock.as_json())
        write_text(store.root_file(lock), "a root")
    with FileLock(tmp_path / "locks" / f"rebuild-{ALIVE.digest[:16]}.lock"):
        remove_left(store, OWN, sandboxes)
    assert sandboxes.forgotten == [DEAD]
    assert {path.name for path in (tmp_path / "rebuilds").iterdir()} == {f"{lock.digest}.json" for lock in (OWN, ALIVE)}
    assert [store.root_file(lock).exists() for lock in (OWN, DEAD, ALIVE)] == [True, False, True]
