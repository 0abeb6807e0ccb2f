"""Packages, sources and uploads that were damaged at random: taken or refused with a reason; never anything else."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from debs import control, deb, write_deb
from kubedeb.errors import ExitCode
from kubedeb.stanza import one
from mutants_of import mutants
from repo.intake import Findings, collect
from repo.poolfiles import objects
from repositories import Made
from testseed import seed
from uploads import write_changes, write_source

PIECES = [
    b"",
    b"\n",
    b"\n\n",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"\xff\xfe",
    b"\r\n",
    b"\x85",
    b"../",
    b"/etc/passwd",
    b"-",
    b"~",
    b"9" * 400,
    b"a" * 200,
    b"Package: evil\n",
    b"\nPackage: evil\n",
    b"Filename: /etc/passwd\n",
    b"Version: 1;reboot\n",
    b"Depends: ${x}\n",
    b"Depends: a|\n",
    b"Architecture: source\n",
    b"Multi-Arch: same\n",
    b"Installed-Size: \xd9\xa3\n",
    b"Kubedeb-Beside:\n x\n",
    b"`\n",
    b"!<arch>\n",
    b"1e9",
    b"-----BEGIN PGP SIGNED MESSAGE-----\n",
    b"-----BEGIN PGP SIGNATURE-----\n",
    b"Checksums-Sha256:\n 0 0 0\n",
    b"\xe2\x80\xa8",
]
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 60), st.sampled_from(PIECES)), min_size=1, max_size=3)
bounded = functools.partial(
    settings, deadline=None, derandomize=False, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def mutated(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for where, length, piece in edits:
        at = int(where * len(data))
        data = data[:at] + piece + data[at + length :]
    return data


def judge(path: Path) -> None:
    """Take a file as `add` does: what is refused has a reason, what is taken is one stanza and knows its objects."""
    findings = Findings()
    candidates = collect([path], "", findings, [])
    assert candidates or findings.problems
    for candidate in candidates:
        stanza = one(candidate.package.stanza)
        assert stanza["Package"] == candidate.package.name
        assert all(name.startswith("pool/") and ".." not in name for name in objects(candidate.package))
        folder = stanza.get("Directory") or stanza["Filename"].rpartition("/")[0]
        assert folder.endswith(candidate.package.sha256)


@bounded(max_examples=800)
@given(edits=EDITS, form=st.sampled_from(["", ".gz", ".xz", ".zst"]))
def test_damaged_packages(tmp_path: Path, edits: list[tuple[float, int, bytes]], form: str) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(mutated(deb(form=form), edits))
    judge(path)


@bounded(max_examples=700)
@given(edits=EDITS)
def test_packages_with_damaged_control_files(tmp_path: Path, edits: list[tuple[float, int, bytes]]) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(deb(mutated(control(more="Depends: aa (>= 1), bb | cc:any\n").encode(), edits), form=""))
    judge(path)


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "dsc": lambda folder: write_source(folder, "hello", "1.0-1"),
    "changes": lambda folder: write_changes(folder / "x.changes", [write_deb(folder, "hello", "1.0")]),
    "buildinfo": lambda folder: _record(folder, write_deb(folder, "hello", "1.0")),
}


def _record(folder: Path, package: Path) -> Path:
    path = folder / "hello_1.0_amd64.buildinfo"
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    path.write_text(f"Format: 1.0\nSource: hello\nChecksums-Sha256:\n {digest} {package.stat().st_size} {package.name}\n")
    return path


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_damaged_control_files(tmp_path: Path, kind: str) -> None:
    path = SAMPLES[kind](tmp_path)
    good = path.read_bytes()

    @bounded(max_examples=200)
    @given(edits=EDITS)
    def check(edits: list[tuple[float, int, bytes]]) -> None:
        path.write_bytes(mutated(good, edits))
        judge(tmp_path / "hello_1.0_amd64.deb" if kind == "buildinfo" else path)

    check()


def test_fifty_through_the_command(copied: Callable[[str], Made], tmp_path: Path) -> None:
    made = copied("mutated")
    originals = [(".deb", deb()), (".deb", deb(form=""))]
    for kind, make in sorted(SAMPLES.items()):
        (tmp_path / kind).mkdir()
        path = make(tmp_path / kind)
        originals.append((path.suffix, path.read_bytes()))
    codes = set()
    for suffix, original in originals:
        folder = tmp_path / {".dsc": "dsc", ".changes": "changes"}.get(suffix, "buildinfo")
        for number, data in enumerate(mutants(original, 10, seed())):
            path = folder / f"mutant{number}{suffix}"
            path.write_bytes(data)
            codes.add(made.repo("add", "--suite", "bookworm", path))
            path.unlink()
    assert codes <= {0, ExitCode.PACKAGE}
    assert ExitCode.PACKAGE in codes
    # What was taken is what apt takes.
    assert made.repo("publish", "bookworm") == 0
    assert made.client().update().clean
