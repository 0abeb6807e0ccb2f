import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from debian.deb822 import Packages, Release

from kubedeb.files import sha256_bytes
from kubedeb.release import Digest, parse_release
from repo.indices import Indices, by_hash, index_objects, make_indices, packages_text, release_text, sources_text
from repo.models import Identity, Package, Suite, SuiteOptions
from repo.pieces import Pieces, open_pieces
from repo.snapshots import Rows, snapshot_of


def package(name: str, architecture: str) -> Package:
    return Package(name, "1", architecture, "a" * 64, 1, f"Package: {name}\nArchitecture: {architecture}\n")


SUITE = Suite("bookworm", ("amd64", "arm64"))
IDENTITY = Identity("kubedeb", "Kubernetes packages", "http://localhost/", "F" * 40, (SUITE,))
PACKAGES = [package("a", "amd64"), package("b", "arm64"), package("c", "all"), package("d", "source")]
MANY = [package(f"p{number:03}", "amd64") for number in range(700)]


@pytest.fixture
def pieces(tmp_path: Path) -> Iterator[Pieces]:
    with open_pieces(tmp_path / "pieces") as opened:
        yield opened


def made(packages: list[Package], pieces: Pieces, suite: Suite = SUITE) -> tuple[Indices, list[str]]:
    """Return the indices of `packages`, and the chunks that were read for them."""
    snapshot, chunks = snapshot_of(packages)
    read: list[str] = []

    def load(chunk: str) -> Rows:
        read.append(chunk)
        return chunks[chunk]

    return make_indices(snapshot, suite, load, pieces, lambda _: ""), read


def test_each_architecture_has_its_own_packages_and_all() -> None:
    names = [[p["Package"] for p in Packages.iter_paragraphs(packages_text(name, PACKAGES), use_apt_pkg=False)]
             for name in SUITE.architectures]  # fmt: skip
    assert names == [["a", "c"], ["b", "c"]]
    assert sources_text(PACKAGES) == "Package: d\nArchitecture: source\n\n"


def test_lists_every_form_and_serves_the_compressed(pieces: Pieces) -> None:
    indices, _ = made(PACKAGES, pieces)
    text = packages_text("amd64", PACKAGES).encode()
    path = "main/binary-amd64/Packages"
    assert indices.listed[path] == Digest(len(text), sha256_bytes(text))
    assert path not in indices.data
    assert gzip.decompress(indices.data[f"{path}.gz"]) == lzma.decompress(indices.data[f"{path}.xz"]) == text
    names = ("main/binary-amd64/Packages", "main/binary-arm64/Packages", "main/source/Sources")
    assert set(indices.listed) == {f"{name}{form}" for name in names for form in ("", ".gz", ".xz")}
    assert made(PACKAGES, pieces)[0] == indices


def test_an_index_of_nothing_is_an_index(pieces: Pieces) -> None:
    indices, _ = made([], pieces)
    assert (
        gzip.decompress(indices.data["main/source/Sources.gz"])
        == lzma.decompress(indices.data["main/source/Sources.xz"])
        == b""
    )
    assert indices.listed["main/source/Sources"] == Digest(0, sha256_bytes(b""))


def test_only_a_changed_chunk_is_read_and_packed(pieces: Pieces, monkeypatch: pytest.MonkeyPatch) -> None:
    made(MANY, pieces)
    texts: list[int] = []
    real = lzma.compress

    def counting(data: bytes, **more: Any) -> bytes:
        texts.append(len(data))
        return real(data, **more)

    monkeypatch.setattr("repo.compression.lzma.compress", counting)
    after, read = made([*MANY, package("p300a", "amd64")], pieces)
    assert (len(set(read)), len(texts)) == (1, 1)
    monkeypatch.undo()
    with open_pieces(Path(":memory:")) as empty:
        assert made([*MANY, package("p300a", "amd64")], empty)[0] == after
    assert lzma.decompress(after.data["main/binary-amd64/Packages.xz"]).count(b"Package: ") == 701


def test_a_new_form_packs_what_is_there(pieces: Pieces) -> None:
    made(PACKAGES, pieces)
    indices, _ = made(PACKAGES, pieces, Suite("bookworm", ("amd64",), SuiteOptions(forms=(".zst",))))
    assert set(indices.data) == {"main/binary-amd64/Packages.zst", "main/source/Sources.zst"}


def test_forgotten_pieces_are_made_again(pieces: Pieces) -> None:
    before, read = made(PACKAGES, pieces)
    pieces.keep_only(read)
    assert made(PACKAGES, pieces) == (before, [])
    pieces.keep_only([])
    assert made(PACKAGES, pieces) == (before, read)


def test_a_damaged_cache_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pieces"
    path.write_bytes(b"this is not a database" * 100)
    with open_pieces(path) as opened:
        assert made(PACKAGES, opened)[0].listed


def test_the_release_lists_sha256_alone(pieces: Pieces) -> None:
    listed = made(PACKAGES, pieces)[0].listed
    text = release_text(IDENTITY, SUITE, 7, "5" * 64, 1_795_445_650, listed)
    found = Release(text)
    assert {name: found[name] for name in found if name != "SHA256"} == {
        "Origin": "kubedeb", "Label": "Kubernetes packages", "Suite": "bookworm", "Codename": "bookworm",
        "Date": "Mon, 23 Nov 2026 14:54:10 +0000", "Acquire-By-Hash": "yes",
        "No-Support-for-Architecture-all": "Packages", "Architectures": "amd64 arm64", "Components": "main",
        "Description": "Kubernetes packages bookworm", "Kubedeb-Generation": "7", "Kubedeb-Snapshot": "5" * 64,
    }  # fmt: skip
    assert parse_release("bookworm", text).indices == listed


def test_options_of_a_suite_stand_in_its_release() -> None:
    options = SuiteOptions(valid_for=3600, not_automatic=True, but_automatic_upgrades=True)
    found = Release(release_text(IDENTITY, Suite("s", ("amd64",), options), 1, "5" * 64, 1_795_445_650, {}))
    assert found["Valid-Until"] == "Mon, 23 Nov 2026 15:54:10 +0000"
    assert (found["NotAutomatic"], found["ButAutomaticUpgrades"]) == ("yes", "yes")


def test_by_hash_names() -> None:
    assert by_hash("main/binary-amd64/Packages.xz", Digest(1, "ab")) == "main/binary-amd64/by-hash/SHA256/ab"
    assert index_objects("s", {"a/P": Digest(1, "x"), "a/P.gz": Digest(2, "y")}) == {"a/P.gz": "dists/s/a/by-hash/SHA256/y"}
