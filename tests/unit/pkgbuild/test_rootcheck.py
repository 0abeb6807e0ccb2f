"""What the root tests make of what happened: each fault with its finding, and a root that is only told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import debs
from debs import Item
from pkgbuild.rootcheck import KEPT, Done, depends, try_out
from pkgbuild.snapshot import Snapshot, Thing, left_behind, parse
from pkgbuild.upgradechecks import read_subject

UNIT = "[Service]\nExecStart=/usr/bin/etcd\nStateDirectory=etcd\n"
FOLDER = Thing("d", "755", "0:0", "", "", "")
FILE = Thing("f", "644", "0:0", "5", "100.0", "")
LINK = Thing("l", "777", "0:0", "5", "100.0", "../etcd.service")
ROOT = frozenset({"root"})
CLEAN = Snapshot({"/etc": FOLDER, "/etc/hosts": FILE}, ROOT, ROOT, frozenset({"dpkg installed 1"}), {"1": "/usr/bin/sleep"})
KEPT_FILES = ("/etc/default/etcd", f"/var/lib/etcd/{KEPT}", f"/var/lib/etcd-server/{KEPT}")
SETTLED = {**CLEAN.files, **dict.fromkeys(KEPT_FILES, FILE), "/etc/default": FOLDER, "/var/lib/etcd": FOLDER}
RELOAD = ("systemctl --system daemon-reload",)
INSTALLED = replace(CLEAN, files={**CLEAN.files, "/usr/bin/etcd": FILE}, users=frozenset({"root", "etcd"}))


def good() -> list[Done]:
    """Return what a good package does: at the beginning, install, downgrade, settle in, upgrade, remove, purge."""
    settled = replace(INSTALLED, files={**SETTLED, "/usr/bin/etcd": FILE})
    removed = replace(INSTALLED, files=SETTLED)
    return [
        Done(0, "", (), CLEAN), Done(0, "", RELOAD, INSTALLED), Done(0, "", RELOAD, INSTALLED), Done(0, "", (), settled),
        Done(0, "", RELOAD, settled), Done(0, "", ("deb-systemd-invoke stop etcd.service", *RELOAD), removed),
        Done(0, "", (), removed),
    ]  # fmt: skip


@dataclass
class Told:
    """A root in which exactly what it is told happens."""

    what: list[Done]
    scripts: list[str] = field(default_factory=list)

    def put(self, files: Sequence[tuple[Path, str]]) -> None:
        self.scripts.append("put " + " ".join(name for _, name in files))

    def run(self, script: str) -> Done:
        self.scripts.append(script)
        return self.what[len(self.scripts) - 2]


def package(folder: Path, version: str = "2-1", **more: str) -> Path:
    folder.mkdir(exist_ok=True)
    about = {"conffiles": "/etc/needrestart/conf.d/etcd.conf\n", **more}
    path = folder / f"etcd-server_{version}_amd64.deb"
    fields = "Depends: libc6 (>= 2), etcd-client | x, systemd | y\nPre-Depends: init-system-helpers\n"
    files = [Item("./lib/systemd/system/etcd.service", UNIT.encode())]
    path.write_bytes(debs.deb(debs.control("etcd-server", version, more=fields), data=files, about=about))
    return path


def tried(tmp_path: Path, what: list[Done], previous: list[Path] | None = None) -> tuple[list[tuple[str, str]], Told]:
    root = Told(what)

    @contextmanager
    def opened(dependencies: str) -> Iterator[Told]:
        assert dependencies == "etcd-client | x, init-system-helpers, libc6 (>= 2), systemd | y"
        yield root

    found = try_out([package(tmp_path)], previous or [], opened).findings
    return [(finding.rule, finding.text) for finding in found], root


def changed(step: int, **fields: object) -> list[Done]:
    what = good()
    what[step] = replace(what[step], **fields)  # type: ignore[arg-type]
    return what


def after(step: int, **fields: object) -> list[Done]:
    return changed(step, after=replace(good()[step].after, **fields))  # type: ignore[arg-type]


def with_files(step: int, **files: Thing) -> list[Done]:
    return after(step, files={**good()[step].after.files, **files})


def without(step: int, path: str) -> list[Done]:
    return after(step, files={name: thing for name, thing in good()[step].after.files.items() if name != path})


PROMPT = "dpkg: error processing package etcd-server (--install):\n end of file on stdin at conffile prompt\n"
WANTS = "/etc/systemd/system/multi-user.target.wants/etcd.service"
SEEN: dict[str, tuple[list[Done], list[tuple[str, str]]]] = {
    "a good package": (good(), []),
    "a start": (changed(1, asked=("deb-systemd-invoke start etcd.service",)),
                [("root-daemon-touched", "install: deb-systemd-invoke start etcd.service")]),
    "a policy that was asked": (changed(4, asked=("policy-rc.d etcd restart 5",)),
                                [("root-daemon-touched", "upgrade: policy-rc.d etcd restart 5")]),
    "a stop on downgrade": (changed(2, asked=("systemctl stop etcd",)),
                            [("root-daemon-touched", "downgrade: systemctl stop etcd")]),
    "questions to systemd": (changed(1, asked=("systemctl is-active etcd", "systemctl -q --system daemon-reload")), []),
    "no stop on removal": (changed(5, asked=RELOAD), [("root-not-stopped", "remove does not stop etcd.service")]),
    "a stop of another": (changed(5, asked=("systemctl stop etcd-proxy",)),
                          [("root-not-stopped", "remove does not stop etcd.service")]),
    "a preset": (changed(1, asked=("systemctl --system preset etcd.service",)),
                 [("root-enabled", "install: systemctl --system preset etcd.service")]),
    "a conffile prompt": (changed(4, status=1, output=PROMPT),
                          [("root-conffile-prompt", "upgrade: dpkg asks about a configuration file that an operator changed")]),
    "a failing script": (changed(2, status=1, output="postinst: line 3: no\nexit status 2\n"),
                         [("root-fails", "downgrade fails with exit status 1: postinst: line 3: no; exit status 2")]),
    "a script that hangs": (changed(2, status=124, output="Setting up etcd\n"),
                            [("root-fails", "downgrade does not end: Setting up etcd")]),
    "a daemon that runs": (after(1, processes={"1": "/usr/bin/sleep", "77": "/usr/bin/etcd"}),
                           [("root-process", "install: /usr/bin/etcd runs")]),
    "a link in .wants": (with_files(1, **{WANTS: LINK}), [("root-enabled", f"install enables a unit: {WANTS}")]),
    "a file left": (with_files(6, **{"/etc/etcd.conf": FILE}), [("root-left", "purge left /etc/etcd.conf behind")]),
    "a log left": (with_files(6, **{"/var/log/dpkg.log": FILE}), []),
    "a file of others taken": (without(6, "/etc/hosts"), [("root-left", "purge took /etc/hosts away")]),
    "a file of others changed": (with_files(6, **{"/etc/hosts": replace(FILE, changed="200.0")}),
                                 [("root-left", "purge changed /etc/hosts")]),
    "an owner changed": (with_files(6, **{"/etc": replace(FOLDER, owner="7:7")}), [("root-left", "purge changed /etc")]),
    "data deleted": (without(6, f"/var/lib/etcd/{KEPT}"),
                     [("root-left", f"purge deleted /var/lib/etcd/{KEPT}, which is not its own")]),
    "settings deleted": (without(6, "/etc/default/etcd"),
                         [("root-left", "purge deleted /etc/default/etcd, which is not its own")]),
    "a user deleted": (after(6, users=frozenset({"root"})), [("root-left", "purge deleted the user etcd")]),
    "a group deleted": (after(6, groups=frozenset()), [("root-left", "purge deleted the group root")]),
    "configuration left in dpkg": (after(6, packages=frozenset({"dpkg installed 1", "etcd-server config-files 2-1"})),
                                   [("root-left", "purge left the package etcd-server config-files 2-1")]),
}  # fmt: skip


@pytest.mark.parametrize("what", SEEN)
def test_what_is_found(what: str, tmp_path: Path) -> None:
    seen, findings = SEEN[what]
    assert tried(tmp_path, seen)[0] == findings


def test_the_steps_are_those_of_a_life_and_stop_at_the_first_that_fails(tmp_path: Path) -> None:
    _, root = tried(tmp_path, good(), [package(tmp_path / "old", "1-1")])
    install = "dpkg --force-unsafe-io --install /packages/{}"
    new, old = install.format("new/etcd-server_2-1_amd64.deb"), install.format("old/etcd-server_1-1_amd64.deb")
    settle = root.scripts.pop(4)
    assert root.scripts == [
        "put new/etcd-server_2-1_amd64.deb old/etcd-server_1-1_amd64.deb", "true", new, old, new,
        "dpkg --remove etcd-server", "dpkg --purge etcd-server",
    ]  # fmt: skip
    assert "'# changed by an operator' >>/etc/needrestart/conf.d/etcd.conf" in settle
    assert all(f"echo data >{path}" in settle for path in KEPT_FILES)
    assert not any("--force-conf" in script for script in root.scripts)
    _, root = tried(tmp_path, changed(1, status=1))
    assert root.scripts[2:] == [new]


def test_what_a_package_makes_for_its_state_is_filled_and_must_stay(tmp_path: Path) -> None:
    what = with_files(1, **{"/var/lib/other": FOLDER})
    what[6] = replace(what[6], after=replace(what[6].after, files={**what[6].after.files}))
    findings, root = tried(tmp_path, what)
    assert findings == [("root-left", f"purge deleted /var/lib/other/{KEPT}, which is not its own")]
    assert f"echo data >/var/lib/other/{KEPT}" in root.scripts[4]


def test_without_an_older_version_it_is_upgraded_from_itself(tmp_path: Path) -> None:
    _, root = tried(tmp_path, good())
    assert root.scripts[2] == root.scripts[3] == root.scripts[5]


def test_what_only_the_older_version_has_leaves_with_the_rest(tmp_path: Path) -> None:
    older = tmp_path / "old/etcd-1_1-1_amd64.deb"
    previous = [package(tmp_path / "old", "1-1"), older]
    older.write_bytes(debs.deb(debs.control("etcd-1", "1-1"), data=[Item("./usr/lib/etcd/1/etcd", b"")]))
    _, root = tried(tmp_path, good(), previous)
    assert root.scripts[-2:] == ["dpkg --remove etcd-server etcd-1", "dpkg --purge etcd-server etcd-1"]


def test_packages_of_one_build_do_not_depend_on_each_other(tmp_path: Path) -> None:
    one = read_subject(package(tmp_path))
    client = tmp_path / "client.deb"
    client.write_bytes(debs.deb(debs.control("etcd-client", more="Depends: libc6 (>= 2),\n libz\n")))
    assert depends([one, read_subject(client)]) == "init-system-helpers, libc6 (>= 2), libz, systemd | y"


def test_what_the_root_prints_is_parsed() -> None:
    files = "/etc\td\t755\t0:0\t4096\t12.5\t\0/etc/a b\tf\t644\t0:7\t3\t12.5\t\0/x\ny\tl\t777\t0:0\t1\t1.5\t/etc\0"
    found = parse(files, "root:x:0:0::/:/bin/sh\n", "root:x:0:\n", "dpkg installed 1.21\n", "1 /usr/bin/sleep\n9 \n")
    assert found.files == {
        "/etc": Thing("d", "755", "0:0", "", "", ""), "/etc/a b": Thing("f", "644", "0:7", "3", "12.5", ""),
        "/x\ny": Thing("l", "777", "0:0", "1", "1.5", "/etc"),
    }  # fmt: skip
    assert (found.users, found.packages, found.processes["1"]) == ({"root"}, {"dpkg installed 1.21"}, "/usr/bin/sleep")


def test_nothing_differs_from_itself() -> None:
    assert left_behind(CLEAN, CLEAN, CLEAN) == []
