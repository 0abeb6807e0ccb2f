"""What people write behind --to and --via."""

from __future__ import annotations

import pytest

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.versions import Version
from upgrade_plans.commands.makeplan import mode_of, request_of
from upgrade_plans.commands.targets import patches
from upgrade_plans.planner.stack import OF_PRODUCT


def test_each_line_has_a_patch_of_its_own() -> None:
    found = patches(["kubernetes=1.8.14", "kubernetes=1.9.10", "etcd=3.0.16"], OF_PRODUCT)
    assert found == {"kubernetes-1.8": Version(1, 8, 14), "kubernetes-1.9": Version(1, 9, 10), "etcd-3.0": Version(3, 0, 16)}


@pytest.mark.parametrize(
    ("via", "says"),
    [
        (["foo=1.2.3"], "no lines of 'foo' are known"),
        (["kubernetes=1.8.14", "kubernetes=1.8.15"], "two patches of kubernetes-1.8: 1.8.14 and 1.8.15"),
        (["kubernetes=1.8"], "names a line, not a version"),
        (["kubernetes"], "is not COMPONENT=VERSION"),
    ],
)
def test_what_cannot_be_passed_is_refused(via: list[str], says: str) -> None:
    with pytest.raises(KubedebError) as raised:
        patches(via, OF_PRODUCT)
    assert says in raised.value.brief
    assert raised.value.code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("target", "limits", "also", "says"),
    [
        ({"kubernetes": "1.10"}, {}, (), "'kubernetes=1.10' names a line, not a version"),
        ({"kubernetes": "1.10.13"}, {"total": "-5"}, (), "--max-unavailable: '-5' is not a share"),
        ({"kubernetes": "1.10.13"}, {}, ("docker", "a b"), "--also 'a b' is not one word"),
    ],
)
def test_a_request_that_says_nothing_clear_is_refused(
    target: dict[str, str], limits: dict[str, str], also: tuple[str, ...], says: str
) -> None:
    with pytest.raises(KubedebError) as raised:
        request_of(target, None, limits, (), also)
    assert says in raised.value.brief
    assert raised.value.code == ExitCode.USAGE


def test_the_store_is_named_by_its_number() -> None:
    assert request_of({"storage": "etcd3"}, "fast", {}, (), ()).target == {"storage": Version(3, 0)}


def test_both_modes_at_once_are_refused() -> None:
    assert [mode_of(fast=False, careful=False), mode_of(fast=True, careful=False), mode_of(fast=False, careful=True)] == [
        None, "fast", "careful",
    ]  # fmt: skip
    with pytest.raises(KubedebError, match="opposite"):
        mode_of(fast=True, careful=True)
