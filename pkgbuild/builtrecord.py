"""What builds recorded of the shipped recipes' packages: kept in docs/packages.json for the page of packages; pure.

A build of another file than the recipe pins (tests lay out stand-ins where upstream cannot be reached) is recorded as one: its
packaging reproduces or not, but its sizes say nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from kubedeb.records import ordered
from pkgbuild.recipe import Recipe
from pkgbuild.statement import REPRODUCED

Pins = Mapping[tuple[str, str, str], frozenset[str]]
"""{(recipe, package version, architecture): digests of its sources}."""


@ordered
class Built:
    """A build: recipe, package version, architecture; `sizes` of its packages in bytes by name, empty when `stand_in`.

    `reproduced`: the verdict of a second build, `pass` or `fail`, empty when there was none.
    """

    recipe: str
    version: str
    architecture: str
    stand_in: bool
    reproduced: str
    sizes: tuple[tuple[str, int], ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what it is a build of."""
        return self.recipe, self.version, self.architecture


def pins(recipes: Iterable[Recipe]) -> Pins:
    """Return what each version of the recipes is made from, for each suite that it is for."""
    return {
        (recipe.name, row.package_version(suite), architecture.value): frozenset(
            source.checksum.value for source in sources if getattr(source, "unpinned", None) is None
        )
        for recipe in recipes
        for row in recipe.versions
        for suite in row.suites
        for architecture, sources in row.sources.items()
    }


def built(spec: Mapping[str, Any], result: Mapping[str, Any], statements: Iterable[str], known: Pins) -> Built | None:
    """Return the record of a stored build by its spec, its result and its packages' statements; None when no recipe has it."""
    key = (spec["recipe"], spec["package_version"], spec["architecture"])
    if key not in known:
        return None
    stand_in = {source["checksum"]["value"] for source in spec["sources"]} != known[key]
    sizes = tuple(sorted((package["name"], package["size"]) for package in result["packages"]))
    return Built(*key, stand_in, verdict(statements), () if stand_in else sizes)


def verdict(statements: Iterable[str]) -> str:
    """Return what a second build found: `fail` when any package differed, empty when not every package was compared."""
    found = []
    for text in statements:
        said = [json.loads(line) for line in text.splitlines()]
        verdicts = [one["predicate"]["verdict"] for one in said if one.get("predicateType") == REPRODUCED]
        found.append(verdicts[-1] if verdicts else "")
    return "fail" if "fail" in found else "pass" if found and all(found) else ""


def merged(old: Iterable[Built], new: Iterable[Built], known: Pins) -> list[Built]:
    """Return the records to keep, of each build one: rather a real one, rather one that was compared, rather a new one."""
    kept: dict[tuple[str, str, str], Built] = {}
    for one in (*old, *new):
        before = kept.get(one.key)
        if one.key in known and (before is None or _worth(one) >= _worth(before)):
            kept[one.key] = one
    return sorted(kept.values())


def _worth(one: Built) -> tuple[bool, bool]:
    return not one.stand_in, bool(one.reproduced)


def dump(records: Iterable[Built]) -> str:
    """Return the text of docs/packages.json."""
    rows = [{**asdict(one), "sizes": dict(one.sizes)} for one in sorted(records)]
    return "[\n" + ",\n".join(f"  {json.dumps(row, sort_keys=True)}" for row in rows) + "\n]\n"


def load(text: str) -> list[Built]:
    """Return the records of docs/packages.json."""
    return [Built(**{**row, "sizes": tuple(sorted(row["sizes"].items()))}) for row in json.loads(text)]
