"""Is a built package what its recipe declares, and safe to install on a node that serves? Pure: facts in, findings out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pkgbuild.debfacts import DebFacts
from pkgbuild.spec import BuildSpec, PackageSpec

# These carry their verb in a variable as often as not (debhelper's `deb-systemd-invoke $_dh_action`): any call counts.
INVOKERS = re.compile(r"(?<![\w/-])(deb-systemd-invoke|invoke-rc\.d|start-stop-daemon)\b|/etc/init\.d/\S+\s+\w")
ACTING = re.compile(
    r"\b(systemctl|service)\b.*(?<![-\w])(start|stop|restart|try-restart|condrestart|reload|reload-or-restart|force-reload|kill)\b"
)
REMOVAL = re.compile(r"""["']?\$1["']?\s*==?\s*["']?remove["']?(?![\w-])|^\s*remove\)""")
DELETION = re.compile(r"\b(rm|rmdir|find|deluser|userdel)\b.*/var/lib")


@dataclass(frozen=True)
class Action:
    """A line of a maintainer script that acts on a daemon; `on_removal`: only when the package is removed."""

    line: int
    text: str
    on_removal: bool


def actions(script: str) -> list[Action]:
    """Return the lines that start, stop or restart something.

    "On removal" is a block `if [ "$1" = remove ] … fi` or a branch `remove) … ;;`, told by counting `if` and `fi` line by line:
    scripts that hide it better are reported, which is the safe side.
    """
    found = []
    depth = guarded_at = 0
    in_branch = False
    for number, line in enumerate(script.splitlines(), 1):
        text = line.split("#")[0] if line.lstrip().startswith("#") else line
        depth += len(re.findall(r"(?<![\w-])if\s", text))
        if REMOVAL.search(text) and not guarded_at:
            in_branch = text.strip().endswith(")") and "if" not in text
            guarded_at = 0 if in_branch else depth
        if INVOKERS.search(text) or ACTING.search(text):
            found.append(Action(number, text.strip(), bool(guarded_at) or in_branch))
        depth -= len(re.findall(r"(?<![\w-])fi(?![\w-])", text))
        if guarded_at and depth < guarded_at:
            guarded_at = 0
        if ";;" in text:
            in_branch = False
    return found


def inspect(spec: BuildSpec, built: Iterable[DebFacts], copied: Mapping[tuple[str, str], str]) -> list[str]:
    """Return what is wrong with the packages of a build, a line each, none when all is well.

    `copied` is {(package, path): sha256} of every file taken from a source.
    """
    facts = {package.name: package for package in built}
    wanted = {package.name: package for package in spec.packages}
    findings = [f"{name}: was not built" for name in wanted.keys() - facts.keys()]
    findings += [f"{name}: is not in the recipe" for name in facts.keys() - wanted.keys()]
    for name in sorted(wanted.keys() & facts.keys()):
        lines = [
            *_control(spec, facts[name]),
            *_contents(wanted[name], facts[name], copied),
            *_scripts(wanted[name], facts[name]),
        ]
        findings += [f"{name}: {line}" for line in lines]
    return sorted(findings)


def _control(spec: BuildSpec, facts: DebFacts) -> Iterable[str]:
    if facts.version != spec.package_version:
        yield f"its version is {facts.version}, not {spec.package_version}"
    if facts.architecture not in (spec.architecture, "all"):
        yield f"its architecture is {facts.architecture}, not {spec.architecture}"


def _contents(wanted: PackageSpec, facts: DebFacts, copied: Mapping[tuple[str, str], str]) -> Iterable[str]:
    doc = f"/usr/share/doc/{facts.name}"
    own = {f"{doc}/changelog.Debian.gz", f"{doc}/copyright"}
    declared = {*(path for path, _ in wanted.copies), *wanted.contents}
    files = {file.path: file for file in facts.files}
    yield from (f"lacks {path}" for path in declared - files.keys())
    yield from (f"holds {path}, which the recipe does not declare" for path in files.keys() - declared - own)
    for path, _ in wanted.copies:
        if path in files and files[path].sha256 != copied[facts.name, path]:
            yield f"{path} is not bit for bit the source's (sha256 {files[path].sha256}, was {copied[facts.name, path]})"
    for file in facts.files:
        if file.owner != "0:0":
            yield f"{file.path} belongs to {file.owner}, not to root"
        if file.mode & 0o6002 and file.sha256:
            yield f"{file.path} has mode {file.mode:04o}: no setuid, setgid or writing by all"
    yield from (
        f"{path} is a conffile, which the recipe does not declare" for path in set(facts.conffiles) - set(wanted.conffiles)
    )
    yield from (f"{path} is declared a conffile and is none" for path in set(wanted.conffiles) - set(facts.conffiles))


def _scripts(wanted: PackageSpec, facts: DebFacts) -> Iterable[str]:
    stops = False
    for name, script in sorted(facts.scripts.items()):
        for action in actions(script):
            if name == "prerm" and action.on_removal:
                stops = stops or (wanted.unit is not None and "stop" in action.text and wanted.unit in action.text)
            else:
                yield f"{name}, line {action.line} starts or stops a daemon: {action.text}"
        for number, line in enumerate(script.splitlines(), 1):
            if DELETION.search(line):
                yield f"{name}, line {number} deletes data or users: {line.strip()}"
    if wanted.unit is not None and not stops:
        yield f"prerm does not stop {wanted.unit} when the package is removed"
