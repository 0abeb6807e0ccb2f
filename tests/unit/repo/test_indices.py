import gzip
import lzma

from debian.deb822 import Packages, Release

from kubedeb.aptrepo import Digest, parse_release
from kubedeb.files import sha256_bytes
from repo.indices import by_hash, make_indices, packages_text, release_text
from repo.models import Identity, Package, Suite


def package(name: str, architecture: str) -> Package:
    return Package(name, "1", architecture, "a" * 64, 1, f"Package: {name}\nArchitecture: {architecture}\n")


SUITE = Suite("bookworm", ("amd64", "arm64"))
IDENTITY = Identity("kubedeb", "Kubernetes packages", "http://localhost/", "F" * 40, (SUITE,))
PACKAGES = [package("a", "amd64"), package("b", "arm64"), package("c", "all")]


def test_each_architecture_has_its_own_packages_and_all() -> None:
    names = [[p["Package"] for p in Packages.iter_paragraphs(packages_text(PACKAGES, name), use_apt_pkg=False)]
             for name in SUITE.architectures]  # fmt: skip
    assert names == [["a", "c"], ["b", "c"]]


def test_lists_every_form_and_serves_the_compressed() -> None:
    indices = make_indices(PACKAGES, SUITE, {})
    text = packages_text(PACKAGES, "amd64").encode()
    path = "main/binary-amd64/Packages"
    assert indices.listed[path] == Digest(len(text), sha256_bytes(text))
    assert path not in indices.new
    assert gzip.decompress(indices.new[f"{path}.gz"]) == lzma.decompress(indices.new[f"{path}.xz"]) == text
    assert set(indices.listed) == {f"main/binary-{a}/Packages{f}" for a in ("amd64", "arm64") for f in ("", ".gz", ".xz")}
    assert make_indices(PACKAGES, SUITE, {}) == indices


def test_what_did_not_change_is_not_made_again() -> None:
    before = make_indices(PACKAGES, SUITE, {})
    after = make_indices([*PACKAGES, package("d", "arm64")], SUITE, before.listed)
    assert set(after.new) == {"main/binary-arm64/Packages.gz", "main/binary-arm64/Packages.xz"}
    assert set(after.listed) == set(before.listed)


def test_the_release_lists_sha256_alone() -> None:
    listed = make_indices(PACKAGES, SUITE, {}).listed
    text = release_text(IDENTITY, SUITE, 7, "5" * 64, 1_795_445_650, listed)
    found = Release(text)
    assert {name: found[name] for name in found if name != "SHA256"} == {
        "Origin": "kubedeb", "Label": "Kubernetes packages", "Suite": "bookworm", "Codename": "bookworm",
        "Date": "Mon, 23 Nov 2026 14:54:10 +0000", "Acquire-By-Hash": "yes",
        "No-Support-for-Architecture-all": "Packages", "Architectures": "amd64 arm64", "Components": "main",
        "Description": "Kubernetes packages bookworm", "Kubedeb-Generation": "7", "Kubedeb-Snapshot": "5" * 64,
    }  # fmt: skip
    assert parse_release("bookworm", text).indices == listed


def test_by_hash_names() -> None:
    assert by_hash("main/binary-amd64/Packages.xz", Digest(1, "ab")) == "main/binary-amd64/by-hash/SHA256/ab"
