"""What a .buildinfo asks of a rebuild, and the verdict on what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild import purl, statement
from pkgbuild.buildinfo import BuildInfo, parse
from pkgbuild.debroot import index_entry, release
from pkgbuild.indexentry import IndexEntry
from pkgbuild.recorded import FileVerdict, compare, other_settings, pinned, stated, suite_of

INFO = BuildInfo(
    "hello", "1.0-1~deb12u1", "amd64", "amd64", {"libc6": "2.36", "make": "4.3"}, {"hello_1_all.deb": "aa", "x.dsc": "bb"},
    {"SOURCE_DATE_EPOCH": "5", "DEB_BUILD_OPTIONS": "parallel=2 noautodbgsym"},
)  # fmt: skip
LIBC, OTHER_LIBC = IndexEntry("libc6", "2.36", "amd64", "1"), IndexEntry("libc6", "2.36", "amd64", "2")
MAKE, NEWER = IndexEntry("make", "4.3", "amd64", "3"), IndexEntry("make", "4.4", "amd64", "4")


@pytest.mark.parametrize(
    ("version", "suite"), [("1-1~deb11u1", "bullseye"), ("1:2-3~deb12u1", "bookworm"), ("1-1~deb13u1", "trixie")]
)
def test_a_version_says_its_suite(version: str, suite: str) -> None:
    assert suite_of(version) == suite


def test_a_version_of_another_archive_is_refused() -> None:
    with pytest.raises(KubedebError, match=r"1\.0-1 is no version that kubedeb builds") as raised:
        suite_of("1.0-1")
    assert raised.value.code is ExitCode.RECIPE


def test_digests_are_those_of_the_first_source_that_knows_the_very_version() -> None:
    assert pinned(INFO, [LIBC], [OTHER_LIBC, NEWER]) == ({("libc6", "2.36"): LIBC}, [("make", "4.3")])
    assert pinned(INFO, [], [OTHER_LIBC, MAKE]) == ({("libc6", "2.36"): OTHER_LIBC, ("make", "4.3"): MAKE}, [])


def said(*dependencies: statement.Material) -> list[dict[str, object]]:
    predicate = {"buildDefinition": {"resolvedDependencies": [one.as_dict() for one in dependencies]}}
    return [statement.statement("a.deb", "0", kind, predicate) for kind in (statement.LINT, statement.PROVENANCE)]


def test_provenance_says_what_was_in_the_root() -> None:
    lines = said(
        statement.Material("", purl.debian("g++", "4:12", "amd64", "bookworm"), "sha256", "1"),
        statement.Material("libfoo_1:2.0~rc1-1_all.deb", "", "sha256", "2"),
        statement.Material("hello", purl.debian("hello", "1", "source", "bookworm"), "sha256", "3"),
        statement.Material("debian/rules", "", "sha256", "4"),
        statement.Material("a", "https://example.org/libc6_1_all.deb", "sha512", "5"),
    )
    assert stated(lines) == {
        ("g++", "4:12"): IndexEntry("g++", "4:12", "amd64", "1"),
        ("libfoo", "1:2.0~rc1-1"): IndexEntry("libfoo", "1:2.0~rc1-1", "all", "2"),
    }


words = st.text(st.sampled_from("az09+.-~:"), min_size=1)


@given(words, words, st.sampled_from(["amd64", "all", "source"]))
def test_a_purl_is_read_as_it_was_written(name: str, version: str, architecture: str) -> None:
    assert purl.read_debian(purl.debian(name, version, architecture, "trixie")) == (name, version, architecture)
    assert purl.read_debian(purl.pypi(name, version)) is None


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        ({"SOURCE_DATE_EPOCH": "5", "DEB_BUILD_OPTIONS": "noautodbgsym"}, []),
        (
            {"SOURCE_DATE_EPOCH": "6", "DEB_BUILD_OPTIONS": "nocheck"},
            ["SOURCE_DATE_EPOCH was '5'", "DEB_BUILD_OPTIONS was 'noaut"],
        ),
    ],
)
def test_a_recipe_that_changed_since_is_told(now: dict[str, str], lines: list[str]) -> None:
    assert [line[: len(start)] for line, start in zip(other_settings(INFO, now), lines, strict=True)] == lines


def test_what_was_not_recorded_is_not_compared() -> None:
    assert other_settings(replace(INFO, environment={}), {"SOURCE_DATE_EPOCH": "6"}) == []


@pytest.mark.parametrize(
    ("rebuilt", "beside", "same", "words"),
    [
        ({"hello_1_all.deb": "aa"}, {}, True, ""),
        ({"hello_1_all.deb": "aa"}, {"hello_1_all.deb": "aa"}, True, ""),
        ({"hello_1_all.deb": "cc"}, {"hello_1_all.deb": "aa"}, False, "recorded aa"),
        (
            {"hello_1_all.deb": "aa"},
            {"hello_1_all.deb": "cc"},
            False,
            "is not the recorded file, nor the rebuilt one: sha256 cc",
        ),
        (
            {"hello_1_all.deb": "cc"},
            {"hello_1_all.deb": "cc"},
            False,
            "is not the recorded file, but the rebuilt one: sha256 cc",
        ),
        ({}, {}, False, "rebuilt not at all"),
    ],
)
def test_the_verdict_on_a_file(rebuilt: dict[str, str], beside: dict[str, str], same: bool, words: str) -> None:
    (verdict,) = compare(INFO, rebuilt, beside)
    assert verdict.same is same
    assert words in "\n".join(verdict.lines())
    assert bool(verdict.lines()) is not same


def test_a_package_that_nobody_recorded_differs() -> None:
    verdicts = compare(INFO, {"hello_1_all.deb": "aa", "more_1_all.deb": "dd"}, {})
    assert verdicts[1] == FileVerdict("more_1_all.deb", "", "dd")
    assert (verdicts[1].same, verdicts[1].lines()) == (False, ["more_1_all.deb: built now, not recorded"])


def test_a_cross_build_names_both_architectures() -> None:
    text = (
        "Source: a\nVersion: 1\nBuild-Architecture: amd64\nHost-Architecture: arm64\nChecksums-Sha256:\n 00 1 a_1_arm64.deb\n"
        "Installed-Build-Depends:\n dash (= 1)\n"
    )
    read = parse(text, Path("a.buildinfo"))
    assert (read.build_architecture, read.host_architecture) == ("amd64", "arm64")
    assert parse(text.replace("Host-Architecture: arm64\n", ""), Path("a.buildinfo")).host_architecture == "amd64"


def test_the_index_of_a_root_says_where_its_files_are() -> None:
    assert index_entry("Package: a\n", "pool/1.deb", 3, "ff") == "Package: a\nFilename: pool/1.deb\nSize: 3\nSHA256: ff\n"
    assert f" {'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'} 0 main/binary-amd64/Packages\n" in release(
        "bookworm", "amd64", b""
    )
