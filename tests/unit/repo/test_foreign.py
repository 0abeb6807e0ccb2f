"""What another repository's index may say, and what it may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubedeb.release import Digest, Release, parse_release
from kubedeb.stanza import Stanza, one
from repo.foreign import Offer, Wanted, binary, chosen, out_of_date, single, source
from repo.relations import parse_query

HEX, OTHER = "ab" * 32, "cd" * 32
DATE = datetime(2026, 11, 23, 14, 54, 10, tzinfo=UTC)
TEXT = "Date: Mon, 23 Nov 2026 14:54:10 +0000\n"
RELEASE = parse_release("bookworm", TEXT)
FLAT = Release("./", "", RELEASE.fields, {})
NESTED = Release("debs/", "", RELEASE.fields, {})


def stanza(**changes: str) -> Stanza:
    fields = {"Package": "etcd", "Version": "1:3-1", "Architecture": "amd64", "Filename": "./pool/e.deb", "Size": "7",
              "SHA256": HEX, **changes}  # fmt: skip
    return Stanza(fields.items())


@pytest.mark.parametrize(("release", "path"), [(RELEASE, "./pool/e.deb"), (FLAT, "pool/e.deb"), (NESTED, "debs/pool/e.deb")])
def test_where_a_package_lies(release: Release, path: str) -> None:
    assert binary(release, stanza()) == Offer("etcd", "1:3-1", "amd64", Wanted(path, 7, HEX))


def test_what_lies_beside() -> None:
    found = binary(RELEASE, stanza(**{"Filename": "pool/e.deb", "Kubedeb-Beside": f"\n {OTHER} 3 e.intoto.jsonl"}))
    assert [(file.path, file.digest) for file in found.files] == [
        ("pool/e.deb", Digest(7, HEX)), ("pool/e.intoto.jsonl", Digest(3, OTHER)),
    ]  # fmt: skip


@pytest.mark.parametrize("directory", ["pool/h", "", "."])
def test_a_source(directory: str) -> None:
    text = f"Package: hello\nVersion: 1\nDirectory: {directory}\nChecksums-Sha256:\n {HEX} 5 h.dsc\n {OTHER} 6 h.tar.xz\n"
    found = source(RELEASE, one(text))
    prefix = f"{directory}/" if directory == "pool/h" else ""
    assert (found.architecture, found.main, found.parts) == (
        "source", Wanted(f"{prefix}h.dsc", 5, HEX), (Wanted(f"{prefix}h.tar.xz", 6, OTHER),),
    )  # fmt: skip
    for wrong in (text.replace("h.dsc", "h.txt"), text.replace("h.dsc", "../h.dsc"), text.replace("pool/h", "../h")):
        if wrong != text:
            with pytest.raises(ValueError, match=r"dsc|plain|leads out"):
                source(RELEASE, one(wrong))


def test_queries_choose_and_a_version_has_one_content() -> None:
    etcd, helm = binary(RELEASE, stanza()), binary(RELEASE, stanza(Package="helm"))
    assert list(chosen([etcd, helm], [])) == [etcd, helm]
    assert list(chosen([etcd, helm], [parse_query("etcd (>= 1:3)"), parse_query("x*")])) == [etcd]
    assert single([helm, etcd, helm]) == (etcd, helm)
    with pytest.raises(ValueError, match=f"two contents: sha256 {HEX} and {OTHER}"):
        single([etcd, binary(RELEASE, stanza(SHA256=OTHER))])


@pytest.mark.parametrize(
    ("until", "seconds", "said"),
    [
        ("", 0, ""), ("", -10, ""), ("", -11, "it is dated"), ("", 10**9, ""),
        ("Tue, 24 Nov 2026 14:54:10 +0000", 86400, ""), ("Tue, 24 Nov 2026 14:54:10 +0000", 86401, "it has expired"),
    ],
)  # fmt: skip
def test_what_apt_would_not_take(until: str, seconds: int, said: str) -> None:
    release = parse_release("bookworm", TEXT + (f"Valid-Until: {until}\n" if until else ""))
    found = out_of_date(release, DATE + timedelta(seconds=seconds))
    assert found.startswith(said)
    assert bool(found) == bool(said)
