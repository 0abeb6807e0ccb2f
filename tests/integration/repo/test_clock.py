"""A clock that is wrong, and a key whose day has come: told, and nothing is published."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from debs import write_deb
from kubedeb.errors import ExitCode
from repositories import Made

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def at(moved: str, made: Made, *words: str) -> tuple[int, str]:
    """Run `kubedeb repo …` with its clock moved, as in `-2h`; return its exit status and what it said."""
    argv: Sequence[str] = [sys.executable, "-m", "kubedeb", "repo", words[0], "-r", str(made.root), *words[1:]]
    environment = {**os.environ, "LD_PRELOAD": str(LIBRARY), "FAKETIME": moved, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stderr


def test_a_clock_behind_the_last_date_publishes_nothing(drafted: Made) -> None:
    before = (drafted.public / "dists/bookworm/InRelease").read_bytes()
    status, said = at("-2h", drafted, "publish", "bookworm")
    assert (status, "Set this machine's clock" in said) == (ExitCode.REPOSITORY, True), said
    assert (drafted.public / "dists/bookworm/InRelease").read_bytes() == before
    # The draft waits for the right time.
    assert drafted.repo("publish", "bookworm") == 0
    client = drafted.client()
    assert client.update().clean
    assert len(client.versions()) == 3


def test_an_expired_key_publishes_nothing(published: Made) -> None:
    assert published.key("introduce", "--expires", "200") == 0
    new = (published.root / "keys.json").read_text().rsplit('"fingerprint"', 1)[1].split('"')[1]
    assert published.key("overlap", new) == 0
    package = write_deb(published.folder / "more", "later", "1")
    assert published.repo("add", "--suite", "bookworm", package) == 0
    before = (published.public / "dists/bookworm/InRelease").read_bytes()
    status, said = at("+201d", published, "publish", "bookworm")
    assert (status, f"the key {new} expired on" in said) == (ExitCode.KEY, True), said
    assert at("+201d", published, "resign", "bookworm")[0] == ExitCode.KEY
    assert at("+30d", published, "publish", "--strict", "bookworm")[0] == ExitCode.KEY
    assert (published.public / "dists/bookworm/InRelease").read_bytes() == before
    assert published.repo("publish", "bookworm") == 0
