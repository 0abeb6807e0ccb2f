"""What fsck finds and remakes; a client's view is `verify`."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest

from kubedeb.errors import ExitCode
from repositories import Made

# Which object is damaged, and whether fsck can remake it from others.
DAMAGED = (
    ("dists/bookworm/InRelease", True),
    ("dists/bookworm/Release", True),
    ("dists/bookworm/Release.gpg", True),
    ("dists/bookworm/main/binary-amd64/Packages.xz", True),
    ("dists/bookworm/main/binary-amd64/by-hash/SHA256/*", True),
    ("snapshots/*.json", True),
    ("snapshots/chunks/*.json.gz", True),
    ("generations/bookworm/000001.InRelease", True),
    ("pool/*/*/*.deb", False),
)


@pytest.fixture
def live(copied: Callable[[str], Made]) -> Made:
    """One published generation of one version: each kind of object is there once."""
    return copied("fsck")


@pytest.mark.parametrize("how", ["deleted", "changed"])
@pytest.mark.parametrize(("pattern", "mends"), DAMAGED)
def test_damage_is_named_and_mended_where_others_tell(
    live: Made, pattern: str, mends: bool, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = [path for path in live.public.glob(pattern) if path.name == live.packages[0].name]
    before = {path: path.read_bytes() for path in (live.public.glob(pattern) if mends else pool)}
    assert before
    for path, data in before.items():
        half = len(data) // 2
        path.unlink() if how == "deleted" else path.write_bytes(data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :])
    capsys.readouterr()
    assert live.repo("fsck") == ExitCode.VERIFY
    printed = capsys.readouterr().out
    assert all(path.relative_to(live.public).as_posix() in printed for path in before)
    assert live.repo("fsck", "--repair") == (0 if mends else ExitCode.VERIFY)
    if mends:
        assert live.repo("fsck") == 0
        assert live.repo("verify") == 0
        assert all(path.read_bytes() == data for path, data in before.items() if path.name != "Release.gpg")


def test_the_catalog_comes_from_what_is_published(live: Made, capsys: pytest.CaptureFixture[str]) -> None:
    (live.root / "catalog.sqlite").unlink()
    capsys.readouterr()
    assert live.repo("fsck", "--rebuild-catalog") == 0
    assert "the catalog knows 1 package\n" in capsys.readouterr().out


@pytest.mark.parametrize("stray", ["before", "behind"])
def test_a_byte_beside_the_signed_text_is_damage_as_it_is_for_apt(live: Made, stray: str) -> None:
    path = live.public / "dists/bookworm/InRelease"
    good = path.read_bytes()
    path.write_bytes(b"\n" + good if stray == "before" else good + b"\n")
    assert not live.client(stray).update().clean
    assert live.repo("fsck") == ExitCode.VERIFY
    assert live.repo("verify") == ExitCode.VERIFY
    assert live.repo("fsck", "--repair") == 0
    assert path.read_bytes() == good
    assert live.client("after").update().clean


def test_a_package_list_is_told_by_zstd_alone(live: Made) -> None:
    identity = json.loads((live.root / "repository.json").read_text())
    identity["suites"][0]["options"]["forms"] = [".zst"]
    (live.root / "repository.json").write_text(json.dumps(identity))
    assert live.repo("publish", "bookworm") == 0
    assert not list((live.public / "dists/bookworm/main/binary-amd64").glob("by-hash/SHA256/*.xz"))
    for path in [*(live.public / "snapshots/chunks").iterdir(), *(live.public / "dists").rglob("Packages.zst")]:
        path.unlink()
    assert live.repo("verify") == ExitCode.VERIFY
    assert live.repo("fsck", "--repair") == 0
    assert live.repo("verify") == 0
    assert live.client().update().clean


def test_objects_are_not_read_into_memory(live: Made) -> None:
    """A package of 192 MiB is checked by a process that may use far less than that above what it needs for itself."""
    from debs import control, deb

    large = live.folder / "large_1_amd64.deb"
    large.write_bytes(deb(control("large", "1"), form="", data={"./x": bytes(192 * 1024 * 1024)}))
    assert live.repo("add", "--suite", "bookworm", "--publish", large) == 0
    argv = [sys.executable, "-m", "kubedeb", "repo", "fsck", "-r", str(live.root)]
    limit = 160 * 1024 * 1024

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    done = subprocess.run(argv, preexec_fn=bound, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, "0 faults" in done.stdout) == (0, True), done.stderr


def test_a_public_that_was_put_back_in_the_wrong_place_is_told(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    inner = published.root / "inner"
    published.public.rename(inner)
    published.public.mkdir()
    inner.rename(published.public / "public")
    (published.root / "audit.jsonl").unlink()
    assert published.repo("fsck") == 0
    assert "nothing is published here" in capsys.readouterr().err
