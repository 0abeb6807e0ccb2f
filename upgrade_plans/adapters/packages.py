"""Debian packages on a node, through the node's own apt and dpkg."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from kubedeb import stanza
from upgrade_plans.adapters.hosts import change, must
from upgrade_plans.adapters.protocols import Available, Hosts, RefusedError

CACHE = "/var/cache/apt/archives"
QUICK = 60.0
SLOW = 900.0
LOCK_SECONDS = 300
COMMON = (
    "-y", "-q", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "APT::Keep-Downloaded-Packages=true",
    "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-confdef",
)  # fmt: skip
ARCHIVE = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]*)_(?P<version>[^_]+)_[a-z0-9-]+\.deb")
POLICY_ROW = re.compile(r" (?:\*\*\*|   ) (?P<version>\S+) (?P<priority>-?\d+)")
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
        """Return what lies in apt's cache; apt moves a package there when it is whole."""
        argv = ("find", CACHE, "-maxdepth", "1", "-name", "*.deb", "-exec", "sha256sum", "{}", "+")
        outcome = must(self._hosts.run(node, argv, timeout=QUICK), node, "reading apt's cache")
        return in_cache(outcome.text, names)

    def download(self, node: str, versions: dict[str, str]) -> None:
        """Download through apt into its own cache, installed versions too."""
        self._install(node, versions, "--download-only", "--reinstall", what="downloading")

    def install(self, node: str, versions: dict[str, str]) -> None:
        """Install from apt's cache; what a cut-off dpkg left is configured first."""
        if must(self._hosts.run(node, ("dpkg", "--audit"), timeout=QUICK), node, "asking dpkg", ok=(0, 1)).stdout.strip():
            mend = ("dpkg", "--configure", "-a", "--force-confold")
            must(change(self._hosts, node, mend, timeout=SLOW), node, "finishing dpkg's work")
        self._install(node, versions, "--no-download", what="installing")

    def _install(self, node: str, versions: dict[str, str], *options: str, what: str) -> None:
        named = [f"{name}={version}" for name, version in sorted(versions.items())]
        argv = ("apt-get", "install", *COMMON, "--allow-downgrades", *options, *named)
        must(change(self._hosts, node, argv, timeout=SLOW), node, f"{what} {' '.join(named)}")


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


def in_cache(listing: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return, of `sha256sum`'s output over apt's cache, the sha256 of each version of `names`."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for line in listing.splitlines():
        digest, _, path = line.partition("  ")
        match = ARCHIVE.fullmatch(path.rpartition("/")[2])
        if match is not None and match["name"] in found:
            found[match["name"]][unquote(match["version"])] = digest
    return found
