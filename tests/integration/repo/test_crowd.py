"""Clients that update all the time while the repository is published, rolled back and cleaned: none ever meets an error."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aptclient import AptClient
from debs import write_deb
from repositories import Made

MOST = 3600
"""So many seconds of updates at most."""
LATER = ("nice", "-n", "8")
"""In life each client has a processor of its own; here fifty would leave nothing to the publisher and the server."""


@dataclass
class Crowd:
    """Clients that update in a loop, each in a thread, until they are told to stop; what went wrong, how often each did."""

    clients: list[AptClient]
    stop: threading.Event = field(default_factory=threading.Event)
    wrong: list[str] = field(default_factory=list)
    updates: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def updating(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._loop, args=(number,)) for number in range(len(self.clients))]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(timeout=180)
            assert not any(thread.is_alive() for thread in threads)

    def _loop(self, number: int) -> None:
        end = time.monotonic() + MOST
        self.updates[number] = 0
        while not self.stop.is_set() and time.monotonic() < end:
            answer = self.clients[number].update()
            if not answer.clean:
                self.wrong.append(f"client {number}: {answer.text}")
            self.updates[number] += 1


@pytest.fixture
def url(published: Made) -> Iterator[str]:
    command = [sys.executable, "-m", "kubedeb", "repo", "serve", "-r", str(published.root), "--port", "0"]
    log = published.folder / "access.log"
    with log.open("w") as stream, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def retain(made: Made, seconds: int) -> None:
    """Let indices go so soon after another generation took their place."""
    path = made.root / "repository.json"
    identity = json.loads(path.read_text())
    identity["suites"][0]["options"]["retention"] = seconds
    path.write_text(json.dumps(identity))


def indices(made: Made) -> set[str]:
    return {path.name for path in (made.public / "dists/bookworm").rglob("by-hash/SHA256/*")}


def crowded(made: Made, url: str, tmp_path: Path, size: int, rounds: int, retention: int) -> int:
    """Let a crowd update through so many rounds; return how many index objects gc has deleted."""
    retain(made, retention)
    crowd = Crowd([made.client(f"client-{number}", uri=url, before=LATER) for number in range(size)])
    assert all(client.update().clean for client in crowd.clients)
    deleted: set[str] = set()
    with crowd.updating():
        for number in range(rounds):
            package = write_deb(tmp_path / "in", "helm", f"2.{number}")
            assert made.repo("add", "-s", "bookworm", "--publish", package) == 0
            if number % 3 == 1:
                assert made.repo("rollback", "bookworm", "--yes", "--reason", "to see") == 0
            if number % 2 == 1:
                before = indices(made)
                assert made.repo("gc") == 0
                deleted |= before - indices(made)
            assert crowd.wrong == []
    newest = max((made.public / "generations/bookworm").iterdir()).read_bytes()
    assert newest == (made.public / "dists/bookworm/InRelease").read_bytes()
    assert all(crowd.updates.values()), crowd.updates
    for client in crowd.clients:
        answer = client.update()
        assert answer.clean, answer.text
        (seen,) = (client.folder / "state/lists").glob("*_dists_bookworm_InRelease")
        assert seen.read_bytes() == newest
    assert crowd.wrong == []
    assert made.repo("verify") == 0
    return len(deleted)


def test_clients_update_while_the_repository_changes(published: Made, url: str, tmp_path: Path) -> None:
    crowded(published, url, tmp_path, size=4, rounds=4, retention=600)


@pytest.mark.long
def test_fifty_clients_through_a_hundred_publishes(published: Made, url: str, tmp_path: Path) -> None:
    # A client that all others keep from the processor takes up to a minute between Release and index.
    assert crowded(published, url, tmp_path, size=50, rounds=100, retention=180) > 0
