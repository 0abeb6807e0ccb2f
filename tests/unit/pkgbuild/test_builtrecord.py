"""What stored builds are recorded as: real or stand-in, compared or not; and which of two records stays."""

from __future__ import annotations

import json

import pytest

from pkgbuild import builtrecord
from pkgbuild.builtrecord import Built
from pkgbuild.library import find, load, shipped_folder
from pkgbuild.statement import REPRODUCED

ETCD = load(find([shipped_folder()])["etcd"]).recipe
KNOWN = builtrecord.pins([ETCD])
KEY = ("etcd", "3.4.23-1~deb12u1", "amd64")
RESULT = {"packages": [{"name": "etcd-server", "size": 6_610_868}, {"name": "etcd-client", "size": 5_274_012}]}
SIZES = (("etcd-client", 5_274_012), ("etcd-server", 6_610_868))


def spec(*digests: str) -> dict[str, object]:
    sources = [{"checksum": {"algorithm": "sha256", "value": digest}} for digest in digests]
    return {"recipe": KEY[0], "package_version": KEY[1], "architecture": KEY[2], "sources": sources}


def statement(*verdicts: str) -> str:
    other = json.dumps({"predicateType": "https://slsa.dev/provenance/v1", "predicate": {}})
    said = [json.dumps({"predicateType": REPRODUCED, "predicate": {"verdict": verdict}}) for verdict in verdicts]
    return "\n".join([other, *said]) + "\n"


def test_a_build_of_what_the_recipe_pins_has_sizes() -> None:
    pinned = sorted(KNOWN[KEY])
    assert builtrecord.built(spec(*pinned), RESULT, [statement("pass")], KNOWN) == Built(*KEY, False, "pass", SIZES)


def test_a_build_of_other_bytes_is_a_stand_in_without_sizes() -> None:
    assert builtrecord.built(spec("0" * 64), RESULT, [statement()], KNOWN) == Built(*KEY, True, "", ())


def test_a_build_that_no_recipe_has_is_none() -> None:
    assert builtrecord.built({**spec(), "package_version": "9.9-1~deb12u1"}, RESULT, [], KNOWN) is None


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ([], ""),
        ([statement()], ""),
        ([statement("pass"), statement()], ""),
        ([statement("pass"), statement("pass")], "pass"),
        ([statement("fail"), statement("pass")], "fail"),
        ([statement("fail", "pass")], "pass"),
    ],
)
def test_a_build_reproduces_when_every_package_was_the_same_the_last_time(statements: list[str], verdict: str) -> None:
    assert builtrecord.verdict(statements) == verdict


def test_what_tells_more_stays() -> None:
    real, compared, stand_in = Built(*KEY, False, "", SIZES), Built(*KEY, False, "fail", SIZES), Built(*KEY, True, "pass", ())
    gone = Built("etcd", "2.0.0-1~deb12u1", "amd64", False, "pass", SIZES)
    assert builtrecord.merged([stand_in, gone], [real], KNOWN) == [real]
    assert builtrecord.merged([real], [stand_in], KNOWN) == [real]
    assert builtrecord.merged([compared], [real], KNOWN) == [compared]
    newer = Built(*KEY, False, "pass", SIZES)
    assert builtrecord.merged([compared], [newer], KNOWN) == [newer]


def test_what_is_written_is_read() -> None:
    records = [Built(*KEY, False, "pass", SIZES), Built("etcd", "3.5.16-1~deb12u1", "amd64", True, "", ())]
    assert builtrecord.load(builtrecord.dump(records)) == records
