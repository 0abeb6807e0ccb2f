"""Each rule about a built package, with one broken sample and the words that it must produce."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pkgbuild.debfacts import DebFacts, FileFact
from pkgbuild.inspection import actions, inspect
from pkgbuild.spec import BuildSpec, PackageSpec

BIN, UNIT, CONF = "/usr/bin/etcd", "/usr/lib/systemd/system/etcd.service", "/etc/needrestart/conf.d/etcd.conf"
PACKAGE = PackageSpec("etcd-server", ((BIN, f"source{BIN}"),), (UNIT, CONF), (CONF,), "etcd.service", None)
SPEC = BuildSpec(
    "etcd", "3.4.23", "3.4.23-1", "bookworm", "amd64", "prebuilt", 0, "source/copyright", (), (PACKAGE,), (), (), "", "", ""
)
COPIED = {("etcd-server", BIN): "aa"}
PRERM = '#!/bin/sh\nif [ "$1" = remove ] && [ -d /run/systemd/system ]; then\n\tdeb-systemd-invoke stop etcd.service\nfi\n'
FILES = (
    FileFact(BIN, 0o755, "0:0", "aa"),
    FileFact(UNIT, 0o644, "0:0", "bb"),
    FileFact(CONF, 0o644, "0:0", "cc"),
    FileFact("/usr/share/doc/etcd-server/copyright", 0o644, "0:0", "dd"),
    FileFact("/usr/share/doc/etcd-server/changelog.Debian.gz", 0o644, "0:0", "ee"),
)
GOOD = DebFacts("etcd-server", "3.4.23-1", "amd64", FILES, (CONF,), {"prerm": PRERM})
RESTART = "if [ \"$1\" = configure ]; then\n\tdeb-systemd-invoke $_dh_action 'etcd.service'\nfi\n"


def scripts(**more: str) -> dict[str, Any]:
    return {"scripts": {"prerm": PRERM, **more}}


def with_file(file: FileFact) -> dict[str, Any]:
    return {"files": (*(known for known in FILES if known.path != file.path), file)}


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "version": ({"version": "3.4.23-2"}, ["its version is 3.4.23-2, not 3.4.23-1"]),
    "architecture": ({"architecture": "arm64"}, ["its architecture is arm64, not amd64"]),
    "a file too few": ({"files": FILES[:2] + FILES[3:]}, [f"lacks {CONF}"]),
    "a file too many": (with_file(FileFact("/etc/default/etcd", 0o644, "0:0", "x")),
                        ["holds /etc/default/etcd, which the recipe does not declare"]),
    "a stripped binary": (with_file(FileFact(BIN, 0o755, "0:0", "zz")),
                          [f"{BIN} is not bit for bit the source's (sha256 zz, was aa)"]),
    "an owner": (with_file(FileFact(UNIT, 0o644, "1000:1000", "bb")), [f"{UNIT} belongs to 1000:1000, not to root"]),
    "setuid": (with_file(FileFact(BIN, 0o4755, "0:0", "aa")), [f"{BIN} has mode 4755: no setuid, setgid or writing by all"]),
    "a conffile too many": ({"conffiles": (CONF, UNIT)}, [f"{UNIT} is a conffile, which the recipe does not declare"]),
    "a conffile too few": ({"conffiles": ()}, [f"{CONF} is declared a conffile and is none"]),
    "a restart on upgrade": (scripts(postinst=RESTART),
                             ["postinst, line 2 starts or stops a daemon: deb-systemd-invoke $_dh_action 'etcd.service'"]),
    "a stop before the upgrade": (scripts(preinst="systemctl stop etcd\n"),
                                  ["preinst, line 1 starts or stops a daemon: systemctl stop etcd"]),
    "an init script": (scripts(postinst="/etc/init.d/etcd restart\n"),
                       ["postinst, line 1 starts or stops a daemon: /etc/init.d/etcd restart"]),
    "a reload of systemd is none": (scripts(postinst="systemctl --system daemon-reload\n"), []),
    "a comment is none": (scripts(postinst="# systemctl restart etcd\n"), []),
    "a stop on upgrade too": ({"scripts": {"prerm": "deb-systemd-invoke stop etcd.service\n"}},
                              ["prerm does not stop etcd.service when the package is removed",
                               "prerm, line 1 starts or stops a daemon: deb-systemd-invoke stop etcd.service"]),
    "no stop on removal": ({"scripts": {}}, ["prerm does not stop etcd.service when the package is removed"]),
    "data deleted": (scripts(postrm="rm -rf /var/lib/etcd\n"), ["postrm, line 1 deletes data or users: rm -rf /var/lib/etcd"]),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_rules(what: str) -> None:
    change, findings = BAD[what]
    assert inspect(SPEC, [dataclasses.replace(GOOD, **change)], COPIED) == [f"etcd-server: {line}" for line in findings]


def test_packages_are_those_of_the_recipe() -> None:
    other = dataclasses.replace(GOOD, name="etcd-sever")
    assert inspect(SPEC, [other], COPIED) == ["etcd-server: was not built", "etcd-sever: is not in the recipe"]


GUARDS = {
    'if [ "$1" = "remove" ]; then\ndeb-systemd-invoke stop x\nfi\n': [True],
    'if [ "$1" = remove ]; then\nif true; then\ndeb-systemd-invoke stop x\nfi\ndeb-systemd-invoke stop y\nfi\n': [True, True],
    'if [ "$1" = remove ]; then\n:\nfi\ndeb-systemd-invoke stop x\n': [False],
    'case "$1" in\nremove)\ndeb-systemd-invoke stop x\n;;\nupgrade)\ndeb-systemd-invoke stop x\n;;\nesac\n': [True, False],
    'if [ "$1" = upgrade ]; then\ndeb-systemd-invoke stop x\nfi\n': [False],
    'if [ "$1" = remove-x ]; then\ninvoke-rc.d x stop\nfi\n': [False],
}


@pytest.mark.parametrize("script", GUARDS)
def test_what_runs_only_on_removal(script: str) -> None:
    assert [action.on_removal for action in actions(script)] == GUARDS[script]
