"""What fsck finds and remakes; a client's view is `verify`."""

from __future__ import annotations

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
    assert "the catalog knows 1 packages" in capsys.readouterr().out
