from __future__ import annotations

import pytest
from debian.debian_support import version_compare
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.versions import DebianVersion, Version, compare_debian, is_version

ALPHABET = "019a~+.Z"
UPSTREAM = st.text(ALPHABET, max_size=6).map(lambda tail: "1" + tail)
DEBIAN = st.tuples(
    st.sampled_from(["", "0:", "1:"]),
    UPSTREAM,
    st.one_of(st.just(""), st.text("09b~+.", min_size=1, max_size=4).map("-".__add__)),
).map("".join)

ORDER = ["1.7.16", "1.10.0-alpha.1", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0", "1.10.13", "2.0.0"]
DEBIAN_ORDER = ["3.3.25-1~deb12u1", "3.4.23-1~deb12u1", "3.4.23-1", "3.4.23-4", "3.4.23-4+b4", "3.5.16-1~deb12u1", "1:0.1"]


def test_upstream_order() -> None:
    assert sorted(map(Version.parse, reversed(ORDER))) == [Version.parse(text) for text in ORDER]


@pytest.mark.parametrize(
    ("text", "version"), [("v1.10.13", Version(1, 10, 13)), ("3.4", Version(3, 4)), ("1.2.3-rc.1", Version(1, 2, 3, "rc.1"))]
)
def test_parse(text: str, version: Version) -> None:
    assert Version.parse(text) == version
    assert is_version(text)
    assert version.line == (version.major, version.minor)


@pytest.mark.parametrize("text", ["", "1", "1.x", "1.2.3.4", "1.2.3 ", "latest"])
def test_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.sampled_from(["", "rc.1", "beta.0"]))
def test_text_and_back(major: int, minor: int, patch: int, pre: str) -> None:
    version = Version(major, minor, patch, pre)
    assert Version.parse(str(version)) == version


def test_debian_order() -> None:
    assert [str(version) for version in sorted(map(DebianVersion, reversed(DEBIAN_ORDER)))] == DEBIAN_ORDER


@pytest.mark.parametrize("text", ["", "a1", "1 2", "1-", "1;2", "x:1", "1\n"])
def test_no_debian_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Debian version"):
        DebianVersion(text)


@given(DEBIAN, DEBIAN)
def test_debian_order_is_that_of_python_debian(left: str, right: str) -> None:
    expected = version_compare(left, right)
    assert compare_debian(left, right) == (expected > 0) - (expected < 0)
    assert (DebianVersion(left) == DebianVersion(right)) == (expected == 0)
    if expected == 0:
        assert hash(DebianVersion(left)) == hash(DebianVersion(right))
