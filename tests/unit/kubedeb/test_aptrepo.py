import gzip
import lzma
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubedeb.aptrepo import AptRepository, AptRepositoryError
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.places import Folder, Web, place
from kubedeb.release import Digest, Release, parse_release, safe_path  # fmt: skip
from kubedeb.stanza import one

HEX = "ab" * 32
RELEASE = f"Origin: o\nDate: Mon, 23 Nov 2026 14:54:10 +0000\nArchitectures: amd64 arm64\nComponents: main updates/contrib\nSHA256:\n {HEX}  12 main/binary-amd64/Packages\n"  # noqa: E501


def test_parses_a_release() -> None:
    release = parse_release("bookworm", RELEASE)
    assert release.indices == {"main/binary-amd64/Packages": Digest(12, HEX)}
    assert release.date == datetime(2026, 11, 23, 14, 54, 10, tzinfo=UTC)
    assert (release.architectures, release.components) == (("amd64", "arm64"), ("main", "contrib"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Origin: o\n", "it has no Date"),
        (RELEASE.replace(HEX, "abc"), "not a checksum"),
        (RELEASE.replace("main/binary-amd64", "../../etc"), "a path leads out"),
        (RELEASE.replace("main/binary-amd64", "/etc"), "a path leads out"),
        (RELEASE + "\nOrigin: second\n", "2 stanzas"),
    ],
)
def test_refuses_a_release(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_release("bookworm", text)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a\\b"])
def test_refuses_a_path_that_leads_out(path: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        safe_path(path)


def test_places() -> None:
    assert place("file:///srv/a%20b") == place("/srv/a b") == Folder(Path("/srv/a b"))
    assert place("http://localhost/x") == Web("http://localhost/x")
    with pytest.raises(ValueError, match="only paths, file: and http: are read"):
        place("ftp://localhost/x")


@pytest.fixture
def tree(tmp_path: Path) -> tuple[AptRepository, Release]:
    text = b"Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n"
    folder = tmp_path / "dists/s/main/binary-amd64"
    folder.mkdir(parents=True)
    forms = {"": text, ".gz": gzip.compress(text), ".xz": lzma.compress(text)}
    indices = {}
    for form, data in forms.items():
        (folder / f"Packages{form}").write_bytes(data)
        indices[f"main/binary-amd64/Packages{form}"] = Digest(len(data), sha256_bytes(data))
    release = Release("s", "", one("Date: x\n"), indices)
    return AptRepository(str(tmp_path), tmp_path / "key.gpg", code=ExitCode.VERIFY), release


@pytest.mark.parametrize("form", ["", ".gz", ".xz"])
def test_reads_packages_in_every_form(tree: tuple[AptRepository, Release], form: str) -> None:
    repository, release = tree
    path = f"main/binary-amd64/Packages{form}"
    only = Release("s", "", release.fields, {path: release.indices[path]})
    assert [stanza["Package"] for stanza in repository.packages(only, "main", "amd64")] == ["a", "b"]


@pytest.mark.parametrize(
    ("size", "digest", "problem"),
    [(5, None, "wrong size"), (500, None, "wrong size"), (None, HEX, "wrong content")],
)
def test_believes_no_index_that_differs(
    tree: tuple[AptRepository, Release], size: int | None, digest: str | None, problem: str
) -> None:
    repository, release = tree
    path, good = "main/binary-amd64/Packages", release.indices["main/binary-amd64/Packages"]
    wrong = Release("s", "", release.fields, {path: Digest(size or good.size, digest or good.sha256)})
    with pytest.raises(AptRepositoryError) as error:
        list(repository.packages(wrong, "main", "amd64"))
    assert (error.value.path, error.value.problem, error.value.code) == (f"dists/s/{path}", problem, ExitCode.VERIFY)


def test_says_what_is_missing(tree: tuple[AptRepository, Release]) -> None:
    repository, release = tree
    with pytest.raises(AptRepositoryError, match=r"dists/s/InRelease: is missing"):
        repository.release("s")
    with pytest.raises(AptRepositoryError, match=r"binary-arm64/Packages: InRelease names no such index"):
        list(repository.packages(release, "main", "arm64"))
    with pytest.raises(KubedebError, match="only paths"):
        AptRepository("ftp://x/", Path("k"), code=ExitCode.VERIFY)


def test_asks_by_hash_where_that_is_offered(tree: tuple[AptRepository, Release]) -> None:
    repository, release = tree
    offered = Release("s", "", one("Acquire-By-Hash: yes\n"), release.indices)
    with pytest.raises(AptRepositoryError, match=r"main/binary-amd64/by-hash/SHA256/[0-9a-f]{64}: is missing"):
        list(repository.packages(offered, "main", "amd64"))


def test_a_flat_repository_and_other_compressions(tmp_path: Path) -> None:
    import bz2

    import zstandard

    text = b"Package: a\nVersion: 1\n"
    for suite, folder in (("./", tmp_path), ("debs/", tmp_path / "debs")):
        folder.mkdir(exist_ok=True)
        for form, pack in ((".zst", zstandard.ZstdCompressor().compress), (".bz2", bz2.compress)):
            (folder / f"Packages{form}").write_bytes(pack(text))
            digest = Digest(len(pack(text)), sha256_bytes(pack(text)))
            release = Release(suite, "", one("Date: x\n"), {f"Packages{form}": digest})
            repository = AptRepository(str(tmp_path), tmp_path / "key.gpg", code=ExitCode.VERIFY)
            assert [stanza["Version"] for stanza in repository.packages(release, "", "")] == ["1"]


@pytest.mark.parametrize(
    ("plain", "text", "problem"),
    [(10, b"Package: a\nVersion: 1\n", "decompression bomb"), (None, b"Package: " + b"a" * 5_000_000, "a line of it has more")],
)
def test_a_bomb(tmp_path: Path, plain: int | None, text: bytes, problem: str) -> None:
    path = tmp_path / "dists/s/main/binary-amd64/Packages.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(packed := gzip.compress(text))
    indices = {"main/binary-amd64/Packages.gz": Digest(len(packed), sha256_bytes(packed))}
    if plain is not None:
        indices["main/binary-amd64/Packages"] = Digest(plain, HEX)
    repository = AptRepository(str(tmp_path), tmp_path / "key.gpg", code=ExitCode.VERIFY)
    with pytest.raises(AptRepositoryError, match=problem):
        list(repository.packages(Release("s", "", one("Date: x\n"), indices), "main", "amd64"))


def test_a_file_is_gone_on_with(tmp_path: Path) -> None:
    data = bytes(range(256)) * 100
    (tmp_path / "file").write_bytes(data)
    repository = AptRepository(str(tmp_path), tmp_path / "key.gpg", code=ExitCode.VERIFY)
    digest, target = Digest(len(data), sha256_bytes(data)), tmp_path / "target"
    part = tmp_path / "target.part"
    for before in (b"", data[:1000], data, data + b"too much", b"wrong" * 10):
        part.write_bytes(before)
        repository.fetch("file", digest, target)
        assert (target.read_bytes(), part.exists()) == (data, False)
        target.unlink()
    # What is short now may be whole later; what is wrong is not kept.
    for wrong, kept in ((data[:-5], True), (data[:-5] + b"wrong", False), (data + b"!", True)):
        (tmp_path / "file").write_bytes(wrong)
        with pytest.raises(AptRepositoryError, match="wrong"):
            repository.fetch("file", digest, target)
        assert (part.exists(), target.exists()) == (kept, False)
