"""Writes the generated pages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from kubedeb.cli import kubedeb
from kubedeb.files import write_text
from kubedeb.reference import command_reference
from pkgbuild import builtrecord
from pkgbuild.builtrecord import Built
from pkgbuild.library import LoadedRecipe, find, load, shipped_folder
from pkgbuild.packagespage import page as packages_page
from pkgbuild.store import Store
from pkgbuild.upgradelint import page
from pkgbuild.variation import with_table
from upgrade_plans import clusterfile, factsfile, fleetfile, planfile, upgradefile
from upgrade_plans.factspage import page as facts_page

SCHEMAS = {
    "cluster": clusterfile.schema,
    "facts": factsfile.schema,
    "fleet": fleetfile.schema,
    "plan": planfile.schema,
    "upgrade": upgradefile.schema,
}

RECORDS = Path("docs/packages.json")


def records(stores: Iterable[Path], recipes: Iterable[LoadedRecipe]) -> list[Built]:
    """Return the records of docs/packages.json with those of the builds in these stores."""
    known = builtrecord.pins(one.recipe for one in recipes)
    found = []
    for store in stores:
        for spec in Store(store).specs():
            folder = store / "builds" / spec["digest"]
            result = json.loads((folder / "result.json").read_text())
            statements = [path.read_text() for path in sorted(folder.glob("*.intoto.jsonl"))]
            found.append(builtrecord.built(spec, result, statements, known))
    old = builtrecord.load(RECORDS.read_text()) if RECORDS.exists() else []
    return builtrecord.merged(old, [one for one in found if one], known)


if __name__ == "__main__":
    for name, schema in SCHEMAS.items():
        write_text(Path(f"docs/{name}.schema.json"), json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    write_text(Path("docs/facts.md"), facts_page())
    write_text(Path("docs/commands.md"), command_reference(kubedeb))
    write_text(Path("docs/lint.md"), page())
    recipes = [load(folder) for folder in find([shipped_folder()]).values()]
    if len(sys.argv) > 1:
        write_text(RECORDS, builtrecord.dump(records(map(Path, sys.argv[1:]), recipes)))
    write_text(Path("docs/packages.md"), packages_page(recipes, builtrecord.load(RECORDS.read_text())))
    proof = Path("docs/reproducibility.md")
    write_text(proof, with_table(proof.read_text()))
