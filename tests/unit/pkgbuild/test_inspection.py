"""Each rule about a built package, with one broken sample and the words that it must produce."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from kubedeb.deb import Contents, Deb, Entry
from kubedeb.stanza import Stanza
from pkgbuild.finding import Level
from pkgbuild.inspection import inspect
from pkgbuild.spec import BuildSpec, PackageSpec

BIN, UNIT, CONF = "/usr/bin/etcd", "/usr/lib/systemd/system/etcd.service", "/etc/needrestart/conf.d/etcd.conf"
PACKAGE = PackageSpec("etcd-server", ((BIN, f"source{BIN}"),), (UNIT, CONF), (CONF,), "etcd.service", None)
SPEC = BuildSpec(
    "etcd", "3.4.23", "3.4.23-1", "bookworm", "amd64", "prebuilt", 0, "source/copyright", (), (PACKAGE,), (), (), "", "", ""
)
COPIED = {("etcd-server", BIN): "aa"}


def file(path: str, mode: int, owner: str, sha256: str) -> Entry:
    return Entry(path, "file", mode, 1, "", owner, sha256)


def package(name: str = "etcd-server", version: str = "3.4.23-1", architecture: str = "amd64", **changed: Any) -> Contents:
    control = Stanza([("Package", name), ("Version", version), ("Architecture", architecture)])
    good = {"entries": FILES, "scripts": {}, "conffiles": (CONF,), "texts": {}}
    return Contents(deb=Deb(1, "", control), **{**good, **changed})


FILES = (
    file(BIN, 0o755, "0:0", "aa"),
    file(UNIT, 0o644, "0:0", "bb"),
    file(CONF, 0o644, "0:0", "cc"),
    file("/usr/share/doc/etcd-server/copyright", 0o644, "0:0", "dd"),
    file("/usr/share/doc/etcd-server/changelog.Debian.gz", 0o644, "0:0", "ee"),
)


def with_file(changed: Entry) -> dict[str, Any]:
    return {"entries": (*(known for known in FILES if known.path != changed.path), changed)}


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "version": ({"version": "3.4.23-2"}, ["its version is 3.4.23-2, not 3.4.23-1"]),
    "architecture": ({"architecture": "arm64"}, ["its architecture is arm64, not amd64"]),
    "a file too few": ({"entries": FILES[:2] + FILES[3:]}, [f"lacks {CONF}"]),
    "a file too many": (with_file(file("/etc/default/etcd", 0o644, "0:0", "x")),
                        ["holds /etc/default/etcd, which the recipe does not declare"]),
    "a stripped binary": (with_file(file(BIN, 0o755, "0:0", "zz")),
                          [f"{BIN} is not bit for bit the source's (sha256 zz, was aa)"]),
    "an owner": (with_file(file(UNIT, 0o644, "1000:1000", "bb")), [f"{UNIT} belongs to 1000:1000, not to root"]),
    "setuid": (with_file(file(BIN, 0o4755, "0:0", "aa")), [f"{BIN} has mode 4755: no setuid, setgid or writing by all"]),
    "a conffile too many": ({"conffiles": (CONF, UNIT)}, [f"{UNIT} is a conffile, which the recipe does not declare"]),
    "a conffile too few": ({"conffiles": ()}, [f"{CONF} is declared a conffile and is none"]),
    "an override that the recipe has not": (with_file(file("/usr/share/lintian/overrides/etcd-server", 0o644, "0:0", "x")),
        ["holds /usr/share/lintian/overrides/etcd-server, which the recipe does not declare"]),
    "units below /lib": ({"entries": (*FILES[:1], file(UNIT.removeprefix("/usr"), 0o644, "0:0", "bb"), *FILES[2:])}, []),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_rules(what: str) -> None:
    change, findings = BAD[what]
    found = inspect(SPEC, [package(**change)], COPIED)
    assert [(finding.package, finding.text, finding.level) for finding in found] == [
        ("etcd-server", text, Level.ERROR) for text in findings
    ]


def test_overrides_of_the_recipe_go_without_saying() -> None:
    spec = dataclasses.replace(SPEC, tree=(("debian/etcd-server.lintian-overrides", "x"),))
    override = file("/usr/share/lintian/overrides/etcd-server", 0o644, "0:0", "x")
    assert inspect(spec, [package(entries=(*FILES, override))], COPIED) == []


def test_packages_are_those_of_the_recipe() -> None:
    found = inspect(SPEC, [package("etcd-sever")], COPIED)
    assert [f"{finding.package}: {finding.text}" for finding in found] == [
        "etcd-server: was not built", "etcd-sever: is not in the recipe",
    ]  # fmt: skip
