"""The tables of relations in the recipes' READMEs say what debian/control says, of every package of every version."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

import pytest
from debian.deb822 import Deb822

from pkgbuild.library import Chosen, LoadedRecipe, find, load, shipped_folder
from pkgbuild.recipe import Row, Suite
from pkgbuild.render import Rendered, render

SHIPPED = shipped_folder()
FOUND = {name: load(folder) for name, folder in find([SHIPPED]).items()}
FIELDS = ("Pre-Depends", "Depends", "Recommends", "Suggests", "Conflicts", "Breaks", "Replaces", "Provides")
NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")
SERIES = re.compile(r"^etcd-\d+\.\d+$")


def table(name: str) -> dict[str, str]:
    """Return {package: the rest of its row} of the tables of relations in the README of a recipe and of what it shares."""
    folders = [SHIPPED / name, *([SHIPPED / common] if (common := FOUND[name].recipe.common) else [])]
    texts = [file.read_text() for folder in folders if (file := folder / "README.md").exists()]
    found = {}
    for text in texts:
        section = text.partition("\n## Relations\n")[2].partition("\n## ")[0]
        for line in section.splitlines():
            cells = line.strip("| \n").partition("|") if line.startswith("| ") else ("", "", "")
            found.update({package.strip(" `"): cells[2] for package in cells[0].split(",") if package.strip()})
    return found


def control(loaded: LoadedRecipe, row: Row) -> Mapping[str, set[str]]:
    """Return {package: the packages that it names in a relation}, but for what debhelper fills in."""
    noon = datetime.datetime.combine(row.date, datetime.time(12), datetime.UTC)
    about = Rendered(row.package_version(Suite.BOOKWORM), Suite.BOOKWORM, next(iter(row.sources)), noon)
    text = render(Chosen(loaded, row), about)["debian/control"].data.decode()
    stanzas = [one for one in Deb822.iter_paragraphs(text, use_apt_pkg=False) if "Package" in one]
    relations = {one["Package"]: ",".join(one.get(field, "") for field in FIELDS) for one in stanzas}
    return {
        package: {part.split()[0] for part in re.split(r"[,|]", said) if part.strip() and not part.strip().startswith("${")}
        for package, said in relations.items()
    }


@pytest.mark.parametrize("name", sorted(FOUND))
def test_the_readme_has_a_row_for_each_package_and_every_relation_in_it(name: str) -> None:
    rows, ours = table(name), {package for loaded in FOUND.values() for row in loaded.recipe.versions
                               for package in (one.name for one in loaded.recipe.packages_of(row))}  # fmt: skip
    for row in FOUND[name].recipe.versions:
        for package, named in control(FOUND[name], row).items():
            said = set(NAME.findall(rows[SERIES.sub("etcd-X.Y", package)]))
            assert named <= said, package
            assert (said & ours) - named == set(), f"{package}: the README claims more"
