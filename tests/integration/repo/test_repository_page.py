"""docs/repository.md, followed to the letter: the console blocks of its sections that a person follows step by step."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import foreign
from aptclient import AptClient
from consoleblocks import Typed, typed
from foreign import write_package
from kubedeb.errors import ExitCode
from kubedeb.process import PATH, run
from uploads import Signer

PAGE = Path(__file__).parents[3] / "docs/repository.md"


def section(title: str) -> list[Typed]:
    """Return what is to be typed in one section of the page."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    steps = typed(found[1])
    assert len(steps) > 4
    return steps


@dataclass(frozen=True)
class Desk:
    """A folder to type in; `/srv` of the page is a folder of it, and what was exported stays so."""

    folder: Path

    def type(self, command: str) -> str:
        """Type one command and return what came on stdout."""
        state = self.folder / ".exported"
        state.touch()
        text = f"set -euo pipefail\n. {state}\n{command.replace('/srv/', f'{self.folder}/srv/')}\nexport -p > {state}"
        environment = {"PATH": f"{Path(sys.executable).parent}:{PATH}", "HOME": str(self.folder),
                       "KUBEDEB_REPOSITORY": str(self.folder / "archive")}  # fmt: skip
        return run(["bash", "-c", text], code=ExitCode.BUG, cwd=self.folder, env=environment, timeout=120).text

    def follow(self, steps: list[Typed]) -> None:
        """Type all, and compare what comes with what the page shows."""
        for step in steps:
            said = self.type(step.command)
            assert step.accepts(said), f"$ {step.command}\n{said}"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk")
    made.folder.mkdir()
    made.type("kubedeb repo init --origin example")
    return made


def test_other_repositories(desk: Desk) -> None:
    packages = [write_package(desk.folder / "in", *one) for one in (("etcd-server", "3.5.16-1"), ("kubelet", "1:1.20.2-1"))]
    with Signer(desk.folder / "theirs") as signer:
        signer.export(desk.folder / "theirs.asc")
        foreign.aptly(desk.folder / "srv/aptly", signer.home, packages)
        foreign.reprepro(desk.folder / "srv/reprepro", signer.home, packages)
    desk.follow(section("Other repositories"))


def test_disaster_recovery(desk: Desk) -> None:
    """A client that reads all the way sees nothing amiss, and in the end the newest."""
    for one in (("etcd-server", "3.5.16-1"), ("kubelet", "1:1.20.2-1"), ("helm", "3.0-1")):
        write_package(desk.folder / "srv/packages", *one)
    (desk.folder / "srv/backup").mkdir()
    steps = section("Disaster recovery")
    client = AptClient(desk.folder / "client", f"file:{desk.folder}/archive/public", desk.folder / "key.gpg")
    desk.type("cp archive/keyring.gpg key.gpg")
    checked = 0
    for step in steps:
        desk.follow([step])
        if step.command.startswith(
            ("kubedeb repo verify", "kubedeb repo resign", "kubedeb repo add", "kubedeb repo fsck --rebuild")
        ):
            answer = client.update()
            assert answer.clean, f"after $ {step.command}\n{answer.text}"
            checked += 1
    assert checked >= 7
    assert (client.versions(), client.versions("kubelet"), client.versions("helm")) == (["3.5.16-1"], ["1:1.20.2-1"], ["3.0-1"])
