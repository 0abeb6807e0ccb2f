from dataclasses import replace
from typing import Any

import pytest

from kubedeb.errors import ExitCode, KubedebError
from repo.init import Wish, check, merge
from repo.models import Identity, Suite

FOUND = Identity("kubedeb", "kubedeb", "file:///srv/public", "F" * 40, (Suite("bookworm", ("amd64",)),))
WISH = Wish("kubedeb", None, None, ("bookworm",), ("amd64",))


@pytest.mark.parametrize(
    ("changes", "suites", "url"),
    [
        ({}, {"bookworm": ("amd64",)}, FOUND.url),
        ({"suites": ("trixie",)}, {"bookworm": ("amd64",), "trixie": ("amd64",)}, FOUND.url),
        ({"architectures": ("arm64",)}, {"bookworm": ("amd64", "arm64")}, FOUND.url),
        ({"url": "http://apt/"}, {"bookworm": ("amd64",)}, "http://apt/"),
    ],
)
def test_init_again_adds(changes: dict[str, Any], suites: dict[str, tuple[str, ...]], url: str) -> None:
    merged = merge(FOUND, replace(WISH, **changes))
    assert {suite.name: suite.architectures for suite in merged.suites} == suites
    assert merged.url == url


def test_one_suite_is_the_default() -> None:
    found = merge(FOUND, replace(WISH, options={"default": True}))
    merged = merge(found, replace(WISH, suites=("trixie",), options={"default": True}))
    assert [(suite.name, suite.options.default) for suite in merged.suites] == [("bookworm", False), ("trixie", True)]
    assert [suite.name for suite in merged.listed] == ["trixie", "bookworm"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin": "other"}, "the repository's origin is 'kubedeb' and cannot become 'other'"),
        ({"label": "other"}, "the repository's label is 'kubedeb' and cannot become 'other'"),
    ],
)
def test_who_the_repository_is_cannot_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(KubedebError) as error:
        merge(FOUND, replace(WISH, **changes))
    assert (error.value.brief, error.value.code) == (message, ExitCode.REPOSITORY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin": "a b"}, "--origin 'a b' is not valid"),
        ({"origin": "../x"}, "--origin '../x' is not valid"),
        ({"label": "a\nSuite: x"}, "--label 'a\\nSuite: x' is not one line of plain text"),
        ({"suites": ("..",)}, "--suite '..' is not valid"),
        ({"suites": ("a/b",)}, "--suite 'a/b' is not valid"),
        ({"suites": ("a", "b"), "options": {"default": True}}, "--default is for one suite"),
        ({"architectures": ("amd 64",)}, "--architecture 'amd 64' is not valid"),
        ({"url": "http://a/\nSigned-By: x"}, "--url 'http://a/\\nSigned-By: x' is not valid"),
        ({"url": "ftp://a/"}, "--url 'ftp://a/' is not valid"),
    ],
)
def test_names_that_cannot_be_names(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(KubedebError) as error:
        check(replace(WISH, **changes))
    assert (error.value.brief, error.value.code) == (message, ExitCode.USAGE)
