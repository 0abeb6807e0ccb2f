"""Debian packages on a node, through the node's own apt and dpkg."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from kubedeb import stanza
from upgrade_plans.adapters.hosts import change, must
from upgrade_plans.adapters.protocols import Available, Hosts, RefusedError
from upgrade_plans.models.plan import PackagePin

FOLDER = "/var/lib/kubedeb/packages"
"""Where a run keeps its packages on a node: apt's own cache is emptied by hooks, timers and people, the way back needs them."""
QUICK = 60.0
SLOW = 900.0
LOCK_SECONDS = 300
COMMON = (
    "-y", "-q", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Dpkg::Options::=--force-confold",
    "-o", "Dpkg::Options::=--force-confdef",
)  # fmt: skip
KEPT = ("-o", f"Dir::Cache::Archives={FOLDER}", "-o", "APT::Keep-Downloaded-Packages=true")
# --no-download refuses files that are given by path (measured: apt 2.6, "Pathname to install is not absolute"); an apt that
# knows of no archive downloads nothing either, and can take nothing into the transaction but those files.
FILES_ONLY = (
    "-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Dir::Cache::pkgcache=",
    "-o", "Dir::Cache::srcpkgcache=",
)  # fmt: skip
ARCHIVE = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]*)_(?P<version>[^_]+)_[a-z0-9-]+\.deb")
POLICY_ROW = re.compile(r" (?:\*\*\*|   ) (?P<version>\S+) (?P<priority>-?\d+)")
TOGETHER = ("--allow-downgrades", "--no-remove")
SIMULATED = re.compile(r"(?P<what>Inst|Conf|Remv|Purg) (?P<name>\S+)(?: \[[^]]*\])?(?: \((?P<version>\S+)[^)]*\))?.*")
WORDS = {"Inst": "install", "Conf": "configure", "Remv": "remove", "Purg": "remove"}
NOT_FOUND = 100


class AptPackages:
    """Packages through apt-get, apt-cache, dpkg-query and sha256sum on the node."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def installed(self, node: str, names: Sequence[str]) -> dict[str, str | None]:
        """Return what dpkg has fully installed."""
        argv = ("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\n", *names)
        # Status 1: one of the names is unknown to dpkg.
        outcome = must(self._hosts.run(node, argv, timeout=QUICK), node, "asking dpkg", ok=(0, 1))
        found: dict[str, str | None] = dict.fromkeys(names)
        for line in outcome.text.splitlines():
            status, name, version = line.split("\t")
            if status.startswith(("ii", "hi")):
                found[name] = version
        return found

    def available(self, node: str, names: Sequence[str]) -> dict[str, tuple[Available, ...]]:
        """Return what the signed indices offer; what only dpkg's own status file knows is left out.

        A version that the node's preferences refuse (a priority below 0, apt_preferences(5)) is not offered: apt would
        install it all the same when it is named, and Debian's own etcd, which restarts its daemon, sorts above ours.
        """
        policy = must(self._hosts.run(node, ("apt-cache", "policy", *names), timeout=QUICK), node, "asking apt")
        refused = refused_versions(policy.text)
        argv = ("apt-cache", "show", *names)
        outcome = must(self._hosts.run(node, argv, timeout=QUICK), node, "asking apt", ok=(0, NOT_FOUND))
        found: dict[str, dict[str, Available]] = {name: {} for name in names}
        try:
            for fields in stanza.read(outcome.text.splitlines()):
                name, version = fields["Package"], fields["Version"]
                if "SHA256" in fields and name in found and version not in refused.get(name, ()):
                    found[name][version] = Available(version, fields["SHA256"], int(fields["Size"]))
        except (stanza.StanzaError, KeyError, ValueError) as error:
            raise RefusedError(f"node {node}", "asking apt", f"apt-cache show printed what cannot be read: {error}") from error
        return {name: tuple(versions.values()) for name, versions in found.items()}

    def cached(self, node: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return what lies in our folder; apt moves a package there when it is whole."""
        found = in_folder(self._listing(node), names)
        return {name: {version: digest for version, (digest, _) in versions.items()} for name, versions in found.items()}

    def download(self, node: str, versions: dict[str, str]) -> None:
        """Download through apt into our folder, installed versions too."""
        must(change(self._hosts, node, ("install", "-d", "-m", "0755", FOLDER), timeout=QUICK), node, f"making {FOLDER}")
        named = [f"{name}={version}" for name, version in sorted(versions.items())]
        argv = ("apt-get", "install", *COMMON, *KEPT, *TOGETHER, "--download-only", "--reinstall", *named)
        must(change(self._hosts, node, argv, timeout=SLOW), node, f"downloading {' '.join(named)}")

    def install(self, node: str, packages: Mapping[str, PackagePin]) -> None:
        """Install from our folder, by path; what a cut-off dpkg left is configured first."""
        found = in_folder(self._listing(node), tuple(packages))
        paths = []
        for name, pin in sorted(packages.items()):
            digest, path = found[name].get(pin.version, ("no such file", ""))
            if digest != pin.sha256:
                why = f"{name} {pin.version} in {FOLDER}: {digest}; the plan says {pin.sha256}"
                raise RefusedError(f"node {node}", f"installing {name} {pin.version}", why)
            paths.append(path)
        self._mend(node, paths)
        argv = ("apt-get", "install", *COMMON, *FILES_ONLY, *TOGETHER, *paths)
        must(change(self._hosts, node, argv, timeout=SLOW), node, f"installing {' '.join(paths)}")

    def besides(self, node: str, packages: Mapping[str, PackagePin]) -> tuple[str, ...]:
        """Ask `apt-get --simulate`: from our folder when all of it is there, else from what apt offers."""
        found = in_folder(self._listing(node), tuple(packages))
        paths = [found[name][pin.version][1] for name, pin in sorted(packages.items())
                 if found[name].get(pin.version, ("",))[0] == pin.sha256]  # fmt: skip
        named = [f"{name}={pin.version}" for name, pin in sorted(packages.items())]
        words = (*FILES_ONLY, *paths) if len(paths) == len(packages) else named
        argv = ("apt-get", "install", "--simulate", "-q", "--allow-downgrades", *words)
        outcome = must(self._hosts.run(node, argv, timeout=QUICK), node, f"simulating the installation of {' '.join(named)}")
        return others(outcome.text, packages)

    def held(self, node: str, names: Sequence[str]) -> tuple[str, ...]:
        """Return what `apt-mark showhold` says of `names`."""
        outcome = must(self._hosts.run(node, ("apt-mark", "showhold", *names), timeout=QUICK), node, "asking for held packages")
        return tuple(line.partition(":")[0] for line in outcome.text.splitlines())

    def _mend(self, node: str, paths: Sequence[str]) -> None:
        """Finish what a cut-off dpkg left: configure what is unpacked; what was cut off while unpacking is unpacked anew."""
        unpack = ("dpkg", "--install", "--force-confold", "--force-confdef", "--force-downgrade", *paths)
        for mend in (("dpkg", "--configure", "-a", "--force-confold"), unpack):
            audit = must(self._hosts.run(node, ("dpkg", "--audit"), timeout=QUICK), node, "asking dpkg", ok=(0, 1))
            if audit.stdout.strip():
                must(change(self._hosts, node, mend, timeout=SLOW), node, "finishing dpkg's work")

    def _listing(self, node: str) -> str:
        argv = ("find", FOLDER, "-maxdepth", "1", "-name", "*.deb", "-exec", "sha256sum", "{}", "+")
        # Status 1: there is no such folder yet. What cannot be read is then not in the listing either.
        return must(self._hosts.run(node, argv, timeout=QUICK), node, f"reading {FOLDER}", ok=(0, 1)).text


def others(simulated: str, packages: Mapping[str, PackagePin]) -> tuple[str, ...]:
    """Return, of `apt-get --simulate`'s output, what would be done to others than exactly `packages`, a line each."""
    found: dict[str, str] = {}
    for line in simulated.splitlines():
        if (match := SIMULATED.fullmatch(line)) is None:
            continue
        what, name, version = match["what"], match["name"], match["version"] or ""
        planned = name in packages and packages[name].version == version and what in ("Inst", "Conf")
        if not planned:
            found.setdefault(name, f"{WORDS[what]} {name} {version}".strip())
    return tuple(found.values())


def refused_versions(policy: str) -> dict[str, set[str]]:
    """Return, of `apt-cache policy`'s output, the versions of each package whose priority is below 0."""
    refused: dict[str, set[str]] = {}
    name = ""
    for line in policy.splitlines():
        if line and not line[0].isspace():
            name = line.rstrip(":")
        elif (match := POLICY_ROW.fullmatch(line)) and int(match["priority"]) < 0:
            refused.setdefault(name, set()).add(match["version"])
    return refused


def in_folder(listing: str, names: Sequence[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """Return, of `sha256sum`'s output over our folder, (sha256, path) of each version of `names`."""
    found: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in names}
    for line in listing.splitlines():
        digest, _, path = line.partition("  ")
        match = ARCHIVE.fullmatch(path.rpartition("/")[2])
        if match is not None and match["name"] in found:
            found[match["name"]][unquote(match["version"])] = (digest, path)
    return found
