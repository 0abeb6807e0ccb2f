"""What a Debian source package's .dsc says that its build needs; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def build_depends(text: str, architecture: str, known: Collection[str], profiles: Collection[str] = ()) -> tuple[str, ...]:
    """Return the packages that a .dsc's build needs, sorted: of alternatives the first that is `known` (else the first).

    Qualifiers are those of Debian policy 7.1: `[amd64]`, `<!nocheck>`, `:native` and `:any`; versions are left to the lock and
    to dpkg-checkbuilddeps, which runs in the build.
    """
    from debian.deb822 import Dsc, PkgRelation

    fields = Dsc(text)
    found: set[str] = set()
    for name in ("Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"):
        relations: Any = PkgRelation.parse_relations(fields.get(name, ""))
        for alternatives in relations:
            fitting = [one["name"] for one in alternatives if one["name"] and _applies(one, architecture, profiles)]
            if fitting:
                found.add(next((package for package in fitting if package in known), fitting[0]))
    return tuple(sorted(found))


def _applies(relation: Mapping[str, Any], architecture: str, profiles: Collection[str]) -> bool:
    wanted = relation.get("arch") or []
    fits = any(item.arch in (architecture, "any", "linux-any", f"any-{architecture}") for item in wanted)
    if wanted and fits != wanted[0].enabled:
        return False
    restrictions = relation.get("restrictions") or []
    return not restrictions or any(all((term.profile in profiles) == term.enabled for term in group) for group in restrictions)
