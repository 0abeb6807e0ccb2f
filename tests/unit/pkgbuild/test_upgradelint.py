"""Each rule of the upgrade-safety lint: one broken sample with what it must say, and a twin that differs only in that."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import debs
from debs import Item
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.finding import Level
from pkgbuild.upgradechecks import read_subject, spared_units
from pkgbuild.upgradelint import RULES, lint, page

SERVICE = "[Service]\nExecStart=/usr/bin/etcd --config-file /etc/etcd/etcd.yml\n"
NEEDRESTART = "$nrconf{override_rc}->{qr(^etcd\\.service$)} = 0;\n"
STOP = 'if [ "$1" = remove ]; then\n\tdeb-systemd-invoke stop etcd.service\nfi\n'
UNSPARED = "needrestart may restart etcd.service: no file in /etc/needrestart/conf.d/ says otherwise"
SH = "#!/bin/sh\nset -e\n"


@dataclass(frozen=True)
class Sample:
    """A package: version, more control fields, maintainer scripts, conffiles, files in it."""

    version: str = "3.4.23-1"
    fields: str = ""
    scripts: Mapping[str, str] = field(default_factory=lambda: {"prerm": SH + STOP})
    conffiles: tuple[str, ...] = ()
    unit: str = SERVICE
    needrestart: str = NEEDRESTART
    more: tuple[Item, ...] = ()

    def write(self, folder: Path) -> Path:
        files = (Item("./lib/systemd/system/etcd.service", self.unit.encode()),
                 Item("./etc/needrestart/conf.d/etcd.conf", self.needrestart.encode()), *self.more)  # fmt: skip
        about = {**self.scripts, "conffiles": "".join(f"{path}\n" for path in self.conffiles)}
        path = folder / "etcd-server.deb"
        path.write_bytes(debs.deb(debs.control("etcd-server", self.version, more=self.fields), data=files, about=about))
        return path


def script(name: str, text: str) -> Sample:
    return Sample(scripts={"prerm": SH + STOP, name: SH + text})


GENERATED = """\
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] ; then
	if [ -d /run/systemd/system ]; then
		if [ -n "$2" ]; then
			_dh_action={}
		fi
		deb-systemd-invoke $_dh_action 'etcd.service' >/dev/null || true
	fi
fi
"""
ENABLE = "if deb-systemd-helper {} 'etcd.service'; then\n\tdeb-systemd-helper enable 'etcd.service' >/dev/null || true\nfi\n"
SAMPLES: dict[str, list[tuple[Sample, Sample, str]]] = {
    "restart-on-upgrade": [
        (script("postinst", GENERATED.format("restart")), script("postinst", GENERATED.format("is-active")),
         "postinst, line 8 restarts a daemon: deb-systemd-invoke restart etcd.service >/dev/null"),
        (script("postinst", "invoke-rc.d etcd restart || exit 1\n"), script("postinst", "invoke-rc.d etcd status || exit 1\n"),
         "postinst, line 3 restarts a daemon: invoke-rc.d etcd restart"),
        (script("postinst", "systemctl try-restart etcd\n"), script("postinst", "systemctl --system daemon-reload\n"),
         "postinst, line 3 restarts a daemon: systemctl try-restart etcd"),
        (script("postinst", "service etcd reload\n"), script("postinst", "echo service etcd reload\n"),
         "postinst, line 3 restarts a daemon: service etcd reload"),
        (script("postinst", "/etc/init.d/etcd restart\n"), script("postinst", "[ -x /etc/init.d/etcd ]\n"),
         "postinst, line 3 restarts a daemon: /etc/init.d/etcd restart"),
        (Sample(scripts={"prerm": SH + STOP, "postinst": '#!/usr/bin/perl\nsystem("systemctl restart etcd");\n'}),
         Sample(scripts={"prerm": SH + STOP, "postinst": '#!/usr/bin/perl\n# systemctl restart etcd\n'}),
         'postinst, line 2 restarts a daemon: system("systemctl restart etcd");'),
    ],
    "stop-on-upgrade": [
        (script("preinst", 'if [ "$1" = upgrade ]; then\n\tdeb-systemd-invoke stop etcd.service\nfi\n'),
         script("preinst", 'if [ "$1" = upgrade ]; then\n\tdeb-systemd-invoke is-active etcd.service\nfi\n'),
         "preinst, line 4 stops a daemon: deb-systemd-invoke stop etcd.service"),
        (Sample(scripts={"prerm": SH + "deb-systemd-invoke stop etcd.service\n"}), Sample(),
         "prerm, line 3 stops a daemon: deb-systemd-invoke stop etcd.service"),
        (script("postinst", "start-stop-daemon --stop --exec /usr/bin/etcd\n"),
         script("postinst", "start-stop-daemon --status --exec /usr/bin/etcd\n"),
         "postinst, line 3 stops a daemon: start-stop-daemon --stop --exec /usr/bin/etcd"),
        (script("preinst", "pkill etcd\n"), script("preinst", "pgrep etcd\n"), "preinst, line 3 stops a daemon: pkill etcd"),
    ],
    "start-on-install": [
        (script("postinst", GENERATED.format("start")), script("postinst", GENERATED.format("is-active")),
         "postinst, line 8 starts a daemon: deb-systemd-invoke start etcd.service >/dev/null"),
    ],
    "enable-on-install": [
        (script("postinst", ENABLE.format("--quiet was-enabled")), script("postinst", ENABLE.format("debian-installed")),
         "postinst, line 4 enables it: deb-systemd-helper enable 'etcd.service' >/dev/null || true"),
        (script("postinst", "update-rc.d etcd defaults\n"), script("postinst", "update-rc.d etcd remove\n"),
         "postinst, line 3 enables it: update-rc.d etcd defaults"),
        (Sample(more=(Item("./lib/systemd/system/multi-user.target.wants/etcd.service", kind=tarfile.SYMTYPE, target="../x"),)),
         Sample(more=(Item("./lib/systemd/system/etcd2.service", kind=tarfile.SYMTYPE, target="etcd.service"),)),
         "it ships /lib/systemd/system/multi-user.target.wants/etcd.service, which enables a unit"),
    ],
    "daemon-left-running": [
        (Sample(scripts={}), Sample(), "prerm does not stop etcd.service when the package is removed"),
        (Sample(scripts={"prerm": SH + STOP.replace("etcd.service", "etcd-proxy.service")}), Sample(),
         "prerm does not stop etcd.service when the package is removed"),
        (Sample(scripts={}), Sample(scripts={}, unit=SERVICE + "Type=oneshot\n"),
         "prerm does not stop etcd.service when the package is removed"),
    ],
    "needrestart": [
        (Sample(needrestart=""), Sample(), UNSPARED),
        (Sample(needrestart=NEEDRESTART.replace("= 0", "= 1")), Sample(),
         UNSPARED),
        (Sample(needrestart="# " + NEEDRESTART), Sample(needrestart="$nrconf{override_rc} = { qr(^etcd) => 0, };\n"),
         UNSPARED),
    ],
    "tunable-conffile": [
        (Sample(conffiles=("/etc/default/etcd",)), Sample(conffiles=("/etc/needrestart/conf.d/etcd.conf",)),
         "/etc/default/etcd is a conffile"),
        (Sample(conffiles=("/etc/etcd/etcd.yml",)), Sample(), "/etc/etcd/etcd.yml, which etcd.service reads, is a conffile"),
    ],
    "configuration-conffile": [
        (Sample(conffiles=("/etc/etcd.conf",)), Sample(conffiles=("/etc/logrotate.d/etcd",)), "/etc/etcd.conf is a conffile"),
    ],
    "epoch": [(Sample(version="1:3.4.23-1"), Sample(), "its version is 1:3.4.23-1")],
    "exact-dependency": [
        (Sample(fields="Depends: libc6 (>= 2.3), etcd-client (= 3.4.23-1)\n"),
         Sample(fields="Depends: libc6 (>= 2.3), etcd-client (>= 3.4.23-1)\n"), "Depends: etcd-client (= 3.4.23-1)"),
    ],
    "data-deleted": [
        (script("postrm", 'if [ "$1" = purge ]; then rm -rf /var/lib/etcd; fi\n'),
         script("postrm", 'if [ "$1" = purge ]; then rm -rf /var/log/etcd; fi\n'),
         'postrm, line 3 deletes data: if [ "$1" = purge ]; then rm -rf /var/lib/etcd; fi'),
        (script("postrm", 'D=/var/lib/etcd\nrm -r "$D"\n'), script("postrm", 'D=/run/etcd\nrm -r "$D"\n'),
         'postrm, line 4 deletes data: rm -r "$D"'),
        (script("postrm", "find /srv/etcd -type f -delete\n"), script("postrm", "find /srv/etcd -type f -print\n"),
         "postrm, line 3 deletes data: find /srv/etcd -type f -delete"),
    ],
    "user-deleted": [
        (script("postrm", "deluser --system etcd || true\n"), script("postrm", "adduser --system etcd || true\n"),
         "postrm, line 3 deletes a user or group: deluser --system etcd || true"),
    ],
    "asks-questions": [
        (Sample(scripts={"prerm": SH + STOP, "config": SH}), Sample(), "it has a debconf config script, which asks questions"),
        (script("postinst", "read answer </dev/tty\n"), script("postinst", "ls | while read answer; do :; done\n"),
         "postinst, line 3 may ask: read answer </dev/tty"),
    ],
    "state-shipped": [
        (Sample(more=(Item("./var/lib/etcd/db", b"x"),)),
         Sample(more=(Item("./var/lib/etcd", mode=0o755, kind=tarfile.DIRTYPE),)), "it ships /var/lib/etcd/db"),
    ],
    "privileged-file": [
        (Sample(more=(Item("./usr/bin/etcd", b"x", 0o4755),)), Sample(more=(Item("./usr/bin/etcd", b"x", 0o755),)),
         "/usr/bin/etcd has mode 4755"),
    ],
}  # fmt: skip
CASES = [(rule, *case) for rule, cases in SAMPLES.items() for case in cases]


@pytest.mark.parametrize(("rule", "broken", "twin", "message"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_each_rule_finds_its_sample_and_passes_its_twin(
    rule: str, broken: Sample, twin: Sample, message: str, tmp_path: Path
) -> None:
    found = lint(read_subject(broken.write(tmp_path)))
    assert [(finding.rule, finding.package, finding.text) for finding in found] == [(rule, "etcd-server", message)]
    assert lint(read_subject(twin.write(tmp_path))) == ()


def test_every_rule_has_a_sample_and_words() -> None:
    assert list(SAMPLES) == [rule.id for rule in RULES]
    for rule in RULES:
        assert all((rule.finds, rule.why, rule.source, rule.remedy))


def test_the_page_is_made_from_the_table() -> None:
    assert (Path(__file__).parents[3] / "docs/lint.md").read_text() == page(), "run script/docs"


def test_the_command_says_what_and_how_to_mend_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clean").mkdir()
    good, bad = Sample().write(tmp_path / "clean"), script("postinst", "systemctl restart etcd\n").write(tmp_path)
    assert run(["lint", str(good)]) == ExitCode.DONE
    assert capsys.readouterr().out == f"{good}: nothing found\n"
    assert run(["lint", str(good), str(bad)]) == ExitCode.LINT == 37
    shown = capsys.readouterr()
    text = "etcd-server: postinst, line 3 restarts a daemon: systemctl restart etcd [restart-on-upgrade]"
    assert shown.out == f"{good}: nothing found\n{bad}: error: {text}\n"
    assert "1 finding in 1 of 2 packages" in shown.err
    assert "restart-on-upgrade (1): dh_installsystemd --no-start" in shown.err
    assert run(["lint", "--rule", "epoch", str(bad)]) == ExitCode.DONE


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = Sample(conffiles=("/etc/etcd.conf",)).write(tmp_path)
    assert run(["lint", "--json", str(bad)]) == ExitCode.DONE
    finding = {
        "level": "warning",
        "rule": "configuration-conffile",
        "package": "etcd-server",
        "text": "/etc/etcd.conf is a conffile",
    }
    assert json.loads(capsys.readouterr().out)["packages"] == {str(bad): [finding]}
    assert run(["lint", "--strict", str(bad)]) == ExitCode.LINT


@pytest.mark.parametrize(("content", "says"), [(None, "cannot read"), (b"no package", "is not an ar archive")])
def test_what_is_no_package_is_refused(
    content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.deb"
    if content is not None:
        path.write_bytes(content)
    assert run(["lint", str(path)]) == ExitCode.PACKAGE
    assert says in capsys.readouterr().err


def test_the_gravest_comes_first(tmp_path: Path) -> None:
    sample = Sample(version="1:1", conffiles=("/etc/etcd.conf",))
    assert [finding.level for finding in lint(read_subject(sample.write(tmp_path)))] == [Level.ERROR, Level.WARNING]


@given(st.text(max_size=200) | st.just("override_rc qr((((a+)+)+)+$) = 0;"))
def test_a_pattern_of_anybody_takes_no_time(text: str) -> None:
    assert all("(" not in pattern for pattern in spared_units(f"override_rc {text}"))
