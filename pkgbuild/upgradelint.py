"""The upgrade-safety lint: may this package, anybody's, be installed and upgraded on a node that serves? Pure.

Each rule is a row: id, level, what it finds, why that matters, where that is written, the remedy, and the check itself.
`docs/lint.md` is made from the table.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubedeb.records import frozen
from pkgbuild import upgradechecks as checks
from pkgbuild.daemonacts import Verb
from pkgbuild.finding import Finding, Level
from pkgbuild.upgradechecks import Check, Subject

DEBHELPER = "debhelper 13.11.4: dh_installsystemd(1) and the scripts that it generates"
POLICY = "https://www.debian.org/doc/debian-policy/"


@frozen
class Rule:
    """One row of the table; `check` yields a text for each thing that it finds."""

    id: str
    level: Level
    finds: str
    why: str
    source: str
    remedy: str
    check: Check


def lint(subject: Subject, rules: Iterable[Rule] | None = None) -> tuple[Finding, ...]:
    """Return what the rules find in a package, the gravest first."""
    found = [
        Finding(rule.level, rule.id, subject.name, text)
        for rule in (RULES if rules is None else rules) for text in dict.fromkeys(rule.check(subject))
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda finding: (list(Level).index(finding.level), finding.rule, finding.text)))


RULES: tuple[Rule, ...] = (
    Rule(
        "restart-on-upgrade", Level.ERROR,
        "A maintainer script restarts or reloads a daemon other than on removal.",
        "Installing a version and running it are two decisions. A restart in postinst restarts every node "
        "that apt reaches, all at once, without drain, quorum or order; binary rebuilds of the same version "
        "do it too.",
        f"Debian's etcd-server 3.4.23-4+b4, postinst; {DEBHELPER}",
        "dh_installsystemd --no-start --no-stop-on-upgrade --no-enable, no dh_installinit, and a prerm of "
        "your own that stops the unit on removal.",
        checks.acting(Verb.RESTART),
    ),
    Rule(
        "stop-on-upgrade", Level.ERROR,
        "A maintainer script stops or kills a daemon other than on removal.",
        "dh_installsystemd --no-start alone stops the unit in preinst and never starts it again; "
        "--no-restart-after-upgrade stops it for as long as dpkg takes.",
        DEBHELPER,
        'Both flags: --no-start --no-stop-on-upgrade; guard the stop in prerm with `[ "$1" = remove ]`.',
        checks.acting(Verb.STOP),
    ),
    Rule(
        "start-on-install", Level.ERROR,
        "A maintainer script starts a daemon.",
        "A member of a cluster that starts with defaults before it is configured becomes a cluster of its "
        "own; and a start on upgrade (--no-stop-on-upgrade alone) revives what an operator had stopped for a "
        "drain.",
        f"Debian's etcd-server, postinst; {DEBHELPER}",
        "dh_installsystemd --no-start --no-stop-on-upgrade.",
        checks.acting(Verb.START),
    ),
    Rule(
        "enable-on-install", Level.ERROR,
        "The package enables a unit: in a script, or by a link in a .wants folder.",
        "An enabled unit starts at the next boot, which is an operator's decision; systemd presets and "
        "configuration management exist for it.",
        "deb-systemd-helper(1); dh_installsystemd(1), --no-enable",
        "dh_installsystemd --no-enable; ship no links into .wants folders.",
        checks.enables,
    ),
    Rule(
        "daemon-left-running", Level.ERROR,
        "The package ships a daemon's unit and prerm does not stop it on removal.",
        "The flags that leave an upgrade alone leave removal alone too: the daemon would go on with its files"
        " gone.",
        f"{DEBHELPER}: --no-start --no-stop-on-upgrade",
        'In prerm: `if [ "$1" = remove ] && [ -d /run/systemd/system ]; then deb-systemd-invoke stop UNIT; '
        "fi`.",
        checks.left_running,
    ),
    Rule(
        "needrestart", Level.ERROR,
        "The package ships a daemon's unit and lets needrestart restart it.",
        "needrestart looks for processes whose executable was replaced, and restarts their units at the next "
        "apt run: the restart that the maintainer scripts avoid comes by itself.",
        "needrestart 3.6, $nrconf{override_rc}",
        r"Ship /etc/needrestart/conf.d/PACKAGE.conf: `$nrconf{override_rc}->{qr(^UNIT\.service$)} = 0;`.",
        checks.needrestart,
    ),
    Rule(
        "tunable-conffile", Level.ERROR,
        "A conffile below /etc/default or /etc/sysconfig, or one that a unit of the package reads.",
        "Who tunes the daemon owns that file. As a conffile, dpkg asks about it in the middle of an upgrade, "
        "and automation hangs or loses the change.",
        f"{POLICY}ch-files.html#s-config-files; kubernetes/release#654, #672",
        "`EnvironmentFile=-/etc/default/UNIT` and no such file in the package; an example below "
        "/usr/share/doc/PACKAGE/examples.",
        checks.tunables,
    ),
    Rule(
        "configuration-conffile", Level.WARNING,
        "Any other conffile that is not a drop-in for another program.",
        "It may be the daemon's configuration, under another name.",
        f"{POLICY}ch-files.html#s-config-files",
        "Built-in defaults, an example below /usr/share/doc; what is no configuration belongs below "
        "/usr/share.",
        checks.configuration,
    ),
    Rule(
        "epoch", Level.ERROR,
        "The version has an epoch.",
        "An epoch can never be taken back, is not in the file's name, and sorts above every version without "
        "one.",
        f"{POLICY}ch-controlfields.html#s-f-version",
        "`+really` for an upload that was wrong, a suffix for a rebuild.",
        checks.epoch,
    ),
    Rule(
        "exact-dependency", Level.ERROR,
        "Depends, Pre-Depends or Recommends on exactly one version of another package.",
        "Packages pinned to each other move only together: daemons cannot be upgraded one at a time, and a "
        "set in which one version is missing cannot be installed at all.",
        "kubernetes/kubernetes#57334, #69489, #75683",
        "A range that the version-skew policy allows; Breaks for what is forbidden.",
        checks.exact,
    ),
    Rule(
        "data-deleted", Level.ERROR,
        "A maintainer script deletes data below /var/lib, /srv and the like, on purge too.",
        "A purge on the wrong member, or of the wrong package while changing from one to another, is the end "
        "of its data.",
        f"Debian's etcd-server, postrm; {POLICY}ch-files.html#s-config-files",
        "Leave data to their owner; StateDirectory= in the unit makes the folder.",
        checks.deletes,
    ),
    Rule(
        "user-deleted", Level.ERROR,
        "A maintainer script deletes a user or group.",
        "Files of a deleted user fall to whoever gets the number next.",
        "https://wiki.debian.org/AccountHandlingInMaintainerScripts",
        "Keep system users; sysusers.d makes them.",
        checks.users,
    ),
    Rule(
        "asks-questions", Level.WARNING,
        "A maintainer script may ask something: debconf, ucf, the terminal.",
        "An unattended upgrade hangs, or goes on with an answer that nobody gave.",
        f"{POLICY}ch-maintainerscripts.html#s-controllingterminal",
        "Defaults that need no answer.",
        checks.asks,
    ),
    Rule(
        "state-shipped", Level.ERROR,
        "The package ships files where state or local files live.",
        "Each upgrade would put its own bytes, owner and mode over those of the node.",
        "https://refspecs.linuxfoundation.org/FHS_3.0/fhs-3.0.html",
        "StateDirectory=, RuntimeDirectory= or tmpfiles.d.",
        checks.in_place,
    ),
    Rule(
        "privileged-file", Level.WARNING,
        "A file is setuid, setgid or writable by all.",
        "A daemon needs none of it; capabilities go into its unit.",
        f"{POLICY}ch-files.html#s-permissions-owners",
        "AmbientCapabilities= in the unit; mode 0755 or 0644.",
        checks.privileged,
    ),
)  # fmt: skip


def page() -> str:
    """Return `docs/lint.md`, made from the table."""
    parts = [HEAD]
    for rule in RULES:
        about = (f"## {rule.id}", f"{rule.finds} ({rule.level})", f"Why: {rule.why}", f"Remedy: {rule.remedy}")
        parts.append("\n\n".join((*about, f"Source: {rule.source}\n")))
    return "\n".join(parts)


HEAD = """\
# The upgrade-safety lint

May this package be installed and upgraded on a node that serves? `kubedeb lint` reads `.deb` files, anybody's, and says what
in them would touch a running daemon, its configuration or its data. `kubedeb build` asks the same rules of every package it
makes; there warnings fail the build too.

```console
$ kubedeb lint etcd-server_3.4.23-4+b4_amd64.deb
$ kubedeb lint --json *.deb
$ kubedeb lint --rule restart-on-upgrade --rule stop-on-upgrade *.deb
```

Exit status: 0 no errors (warnings are printed), with `--strict` no warnings either; 37 findings; 41 a file that is no package.

Maintainer scripts are read, not run: `if`, `case "$1"`, `&&`, variables with plain values, `sh -c`, quotes and here-documents
are followed. What is hidden better than that counts as running always. A stop or restart is accepted where it runs only when
`$1` is `remove`, `purge` or `disappear`. A rule that finds too much is better than one that finds too little: what a finding
is worth in somebody else's package, its owner decides.

This page is made from the table in `pkgbuild/upgradelint.py` by `script/docs`.
"""
