"""Is a built package what its recipe declares? Pure: packages in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubedeb.deb import Contents
from pkgbuild.finding import Finding, Level
from pkgbuild.spec import BuildSpec, PackageSpec

Texts = Iterable[tuple[str, str]]
"""What is wrong: the rule's id, and the text."""


def inspect(spec: BuildSpec, built: Iterable[Contents], copied: Mapping[tuple[str, str], str]) -> list[Finding]:
    """Return what is not as declared in the packages of a build, none when all is well.

    `copied` is {(package, path): sha256} of every file taken from a source.
    """
    found = {package.deb.name: package for package in built}
    wanted = {package.name: package for package in spec.packages}
    findings = [_finding(name, "packages", "was not built") for name in wanted.keys() - found.keys()]
    findings += [_finding(name, "packages", "is not in the recipe") for name in found.keys() - wanted.keys()]
    for name in sorted(wanted.keys() & found.keys()):
        texts = [*_control(spec, found[name]), *_contents(spec, wanted[name], found[name], copied), *_modes(found[name]),
                 *_conffiles(wanted[name], found[name])]  # fmt: skip
        findings += [_finding(name, rule, text) for rule, text in texts]
    return sorted(findings, key=lambda finding: (finding.package, finding.text))


def _finding(package: str, rule: str, text: str) -> Finding:
    return Finding(Level.ERROR, rule, package, text)


def _control(spec: BuildSpec, found: Contents) -> Texts:
    if found.deb.version != spec.package_version:
        yield "version", f"its version is {found.deb.version}, not {spec.package_version}"
    if found.deb.architecture not in (spec.architecture, "all"):
        yield "architecture", f"its architecture is {found.deb.architecture}, not {spec.architecture}"


def _contents(spec: BuildSpec, wanted: PackageSpec, found: Contents, copied: Mapping[tuple[str, str], str]) -> Texts:
    given = {path: sha256 for (package, path), sha256 in copied.items() if package == wanted.name}
    declared = {*given, *wanted.contents}
    digests = {merged(entry.path): entry.sha256 for entry in found.entries if entry.kind != "folder"}
    yield from (("contents", f"lacks {path}") for path in declared - digests.keys())
    more = digests.keys() - declared - _without_saying(spec, wanted.name)
    yield from (("contents", f"holds {path}, which the recipe does not declare") for path in more)
    for path, was in given.items():
        if path in digests and digests[path] != was:
            yield "copies", f"{path} is not bit for bit the source's (sha256 {digests[path]}, was {was})"


def _without_saying(spec: BuildSpec, package: str) -> set[str]:
    """Return the files that a package holds without declaring them."""
    doc = f"/usr/share/doc/{package}"
    own = {f"{doc}/changelog.Debian.gz", f"{doc}/copyright"}
    if f"debian/{package}.lintian-overrides" in dict(spec.tree):
        own.add(f"/usr/share/lintian/overrides/{package}")
    return own


def _modes(found: Contents) -> Texts:
    for entry in found.entries:
        path = merged(entry.path)
        if entry.owner != "0:0":
            yield "owner", f"{path} belongs to {entry.owner}, not to root"
        if entry.mode & 0o6002 and entry.kind != "symlink":
            yield "mode", f"{path} has mode {entry.mode:04o}: no setuid, setgid or writing by all"


def _conffiles(wanted: PackageSpec, found: Contents) -> Texts:
    more, fewer = set(found.conffiles) - set(wanted.conffiles), set(wanted.conffiles) - set(found.conffiles)
    yield from (("conffiles", f"{path} is a conffile, which the recipe does not declare") for path in more)
    yield from (("conffiles", f"{path} is declared a conffile and is none") for path in fewer)


def merged(path: str) -> str:
    """Return the path on a merged-/usr system: older debhelper puts units below /lib, newer below /usr/lib."""
    return f"/usr{path}" if path.startswith("/lib/") else path
