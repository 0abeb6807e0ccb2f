"""Writes the generated pages."""

from __future__ import annotations

import json
from pathlib import Path

from kubedeb.cli import kubedeb
from kubedeb.files import write_text
from kubedeb.reference import command_reference
from pkgbuild.library import find, load, shipped_folder
from pkgbuild.packagespage import page as packages_page
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

if __name__ == "__main__":
    for name, schema in SCHEMAS.items():
        write_text(Path(f"docs/{name}.schema.json"), json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    write_text(Path("docs/facts.md"), facts_page())
    write_text(Path("docs/commands.md"), command_reference(kubedeb))
    write_text(Path("docs/lint.md"), page())
    write_text(Path("docs/packages.md"), packages_page(load(folder) for folder in find([shipped_folder()]).values()))
    proof = Path("docs/reproducibility.md")
    write_text(proof, with_table(proof.read_text()))
