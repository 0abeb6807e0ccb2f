"""Mirrors, wheel tags and armour: what is read from words, as data."""

from __future__ import annotations

import pytest

from kubedeb.armor import PUBLIC_KEY, armored
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.checksum import Checksum
from pkgbuild.mirrors import Mirror, parse, places
from pkgbuild.requestlog import without_secret
from pkgbuild.signature import dearmoured
from pkgbuild.spec import SourcePin
from pkgbuild.wheel import tag_options

PIN = SourcePin("archive", "thing", "1", Checksum.sha256("0" * 64), "amd64")
NEAR, DEEP = Mirror("https://up.invalid", "http://near.invalid/up"), Mirror("https://up.invalid/a", "http://deep.invalid")


def test_the_longest_prefix_is_asked_first_and_upstream_last() -> None:
    assert places("https://up.invalid/a/x", (NEAR, DEEP)) == [
        "http://deep.invalid/x", "http://near.invalid/up/a/x", "https://up.invalid/a/x",
    ]  # fmt: skip
    assert places("https://other.invalid/x", (NEAR, DEEP)) == ["https://other.invalid/x"]


def test_mirrors_are_read_from_the_setting() -> None:
    assert parse("https://up.invalid=http://near.invalid/up\n https://up.invalid/a=http://deep.invalid") == (NEAR, DEEP)
    assert parse("") == ()


@pytest.mark.parametrize("text", ["https://up.invalid", "up=near", "https://up.invalid=near"])
def test_what_is_no_mirror_is_told(text: str) -> None:
    with pytest.raises(KubedebError, match="which is not PREFIX=REPLACEMENT") as raised:
        parse(text)
    assert raised.value.code is ExitCode.CONFIG


TAGS = {
    "idna-3.7-py3-none-any.whl": [],
    "six-1.16.0-py2.py3-none-any.whl": [],
    "PyYAML-6.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": [
        "--platform=manylinux_2_17_x86_64", "--platform=manylinux2014_x86_64", "--abi=cp311",
        "--implementation=cp", "--python-version=311",
    ],
    "tool-1.0-1-py3-none-linux_x86_64.whl": ["--platform=linux_x86_64"],
}  # fmt: skip


@pytest.mark.parametrize("file", TAGS)
def test_pip_is_asked_for_the_files_tags(file: str) -> None:
    assert tag_options(file) == TAGS[file]


def test_a_log_shows_no_password() -> None:
    assert without_secret("https://me:secret@up.invalid:8443/a?b=c") == "https://up.invalid:8443/a?b=c"


def test_armour_comes_off() -> None:
    keys = [b"\x98one", b"\x98two"]
    assert dearmoured("".join(armored(key, PUBLIC_KEY).decode() for key in keys), PIN) == b"".join(keys)


@pytest.mark.parametrize("text", ["", "no key", armored(b"x", PUBLIC_KEY).decode()[:-9]])
def test_what_is_no_keyring_is_told(text: str) -> None:
    with pytest.raises(KubedebError, match="holds no armoured key"):
        dearmoured(text, PIN)
