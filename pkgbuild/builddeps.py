"""What a Debian source package's .dsc says that its build needs, as relations that apt's solver takes; pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from kubedeb.versions import DebianVersion

FIELDS = ("Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep")
COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, ">=": operator.ge, "<=": operator.le, ">>": operator.gt, "<<": operator.lt,
}  # fmt: skip
ONE = re.compile(r"(?P<name>[^\s:(]+)(?::\w+)?(?: \((?P<how>\S+) (?P<version>\S+)\))?")
COMPAT, DEBHELPER = "debhelper-compat", "debhelper"
"""Provided by debhelper in every version up to its own (debhelper(7), COMPATIBILITY LEVELS)."""


def relations(text: str, architecture: str, profiles: Collection[str] = ()) -> tuple[str, ...]:
    """Return what a .dsc's build needs on an architecture under build profiles, sorted: `a`, `a (>= 1)`, `a (>= 1) | b`.

    Qualifiers are those of Debian policy 7.1: `[amd64]`, `<!nocheck>`, `:native` and `:any`; what does not apply is left out.
    """
    from debian.deb822 import Dsc, PkgRelation

    fields, found = Dsc(text), set()
    for field in FIELDS:
        if field not in fields:
            continue
        parsed: Any = PkgRelation.parse_relations(fields[field])
        for alternatives in parsed:
            fitting = [_text(one) for one in alternatives if one["name"] and _applies(one, architecture, profiles)]
            if fitting:
                found.add(" | ".join(fitting))
    return tuple(sorted(found))


def _text(one: Mapping[str, Any]) -> str:
    name = one["name"] + (":any" if one.get("archqual") == "any" else "")
    return f"{name} ({one['version'][0]} {one['version'][1]})" if one.get("version") else name


def _applies(relation: Mapping[str, Any], architecture: str, profiles: Collection[str]) -> bool:
    wanted = relation.get("arch") or []
    fits = any(item.arch in (architecture, "any", "linux-any", f"any-{architecture}") for item in wanted)
    if wanted and fits != wanted[0].enabled:
        return False
    restrictions = relation.get("restrictions") or []
    return not restrictions or any(all((term.profile in profiles) == term.enabled for term in group) for group in restrictions)


def names(relation: str) -> list[str]:
    """Return the packages that a relation names, one for each alternative."""
    return [found["name"] for part in relation.split(" | ") if (found := ONE.fullmatch(part))]


def without(build_depends: Iterable[str], ours: Collection[str]) -> tuple[str, ...]:
    """Return the relations, sorted, that no package of ours stands for."""
    return tuple(sorted(relation for relation in build_depends if not set(names(relation)).intersection(ours)))


def beyond(wanted: Iterable[str], base: Mapping[str, str]) -> tuple[str, ...]:
    """Return the relations that the packages of a base, {name: version}, do not satisfy yet."""
    return tuple(one for one in wanted if not any(_holds(part, base) for part in one.split(" | ")))


def _holds(part: str, base: Mapping[str, str]) -> bool:
    found = ONE.fullmatch(part)
    if found is None:
        return False
    name, how, version = found["name"], found["how"], found["version"]
    if name == COMPAT and DEBHELPER in base and how == "=":
        return DebianVersion(base[DEBHELPER]) >= DebianVersion(version)
    if name not in base:
        return False
    return how is None or (how in COMPARED and COMPARED[how](DebianVersion(base[name]), DebianVersion(version)))
