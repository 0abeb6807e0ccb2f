"""A recipe that is wrong names the file, the line and the way out; one that is right keeps every version as written."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import samplerecipe
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.versions import compare_debian
from pkgbuild.library import load
from pkgbuild.recipe import Suite

GOOD = samplerecipe.RECIPE
BAD = {
    "unknown key": (GOOD.replace("licence:", "license:"), "recipe.yaml:3: unknown key 'license': did you mean 'licence'?"),
    "unknown key inside": (GOOD.replace("suite: bookworm", "suit: bookworm"), ":23: unknown key 'suit': did you mean 'suite'?"),
    "duplicate key": (GOOD.replace("licence: MIT", "licence: MIT\nsummary: twice"), ":4: key 'summary' is there twice"),
    "missing digest": (GOOD.replace("          sha256: SHA256\n", ""), ":22: 'versions.0.sources.amd64.0.sha256' is missing"),
    "short digest": (GOOD.replace("SHA256", "abc"), ":26: versions.0.sources.amd64.0.sha256: 'abc' does not match"),
    "unquoted version": (GOOD.replace('version: "1.10"', "version: 1.10"), ":16: versions.0.version: other YAML readers"),
    "unquoted source version": (GOOD.replace('"1.10-3"', "1.10"), ":25: versions.0.sources.amd64.0.version: other"),
    "no version": (GOOD[: GOOD.index("versions:")] + "versions: []\n", ":15: versions: at least one is needed"),
    "version twice": (
        GOOD + GOOD[GOOD.index("  - version:") :],
        f":{len(GOOD.splitlines()) + 1}: versions.1.version: version 1.10 is listed twice",
    ),
    "source that is not there": (
        GOOD.replace("hello-source/usr/bin", "other/usr/bin"),
        ":21: versions.0.sources.amd64: version 1.10, amd64: other/usr/bin/hello is from source 'other', but",
    ),
    "path out": (GOOD.replace("/usr/bin/hello:", "/usr/../hello:"), ":11: packages.0.copies"),
    "architecture": (GOOD.replace("amd64:", "i386:"), ":21: versions.0.sources"),
    "kind": (GOOD.replace("kind: prebuilt", "kind: cargo"), ":6: kind: Input should be 'prebuilt'"),
    "kind of source": (
        GOOD.replace("- kind: deb", "- kind: dbe"), ":22: versions.0.sources.amd64.0.kind: unknown 'dbe': did you mean 'deb'?",
    ),
    "far kind of source": (
        GOOD.replace("- kind: deb", "- kind: rpm"), "unknown 'rpm': known are: deb, dsc, archive, wheel",
    ),
    "no kind of source": (
        GOOD.replace("- kind: deb\n          suite", "- suite"), ":22: 'versions.0.sources.amd64.0.kind' is missing",
    ),
    "revision": (GOOD.replace("revision: 1", "revision: 0"), ":17: versions.0.revision"),
    "conffile nobody declares": (
        GOOD.replace("    says:", "    conffiles: [/etc/x]\n    says:"), ":12: packages.0.conffiles: conffiles of hello that",
    ),
    "package twice": (
        GOOD.replace("versions:", "  - name: hello\nversions:"), ":15: packages.1.name: package hello is listed twice",
    ),
    "what its kind forbids": (
        GOOD.replace("kind: prebuilt", "kind: go"), ":6: kind: the key go is for kind go, and needed there",
    ),
    "no YAML": ("name: [\n", ":2: not valid YAML"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_recipe_names_line_and_way_out(what: str, tmp_path: Path) -> None:
    text, message = BAD[what]
    samplerecipe.write_recipe(tmp_path, text)
    with pytest.raises(KubedebError) as raised:
        load(tmp_path / "hello")
    assert message in raised.value.render()
    assert str(tmp_path / "hello/recipe.yaml") in raised.value.render()
    assert raised.value.code is ExitCode.RECIPE


def test_every_finding_is_told_at_once(tmp_path: Path) -> None:
    samplerecipe.write_recipe(tmp_path, GOOD.replace("licence:", "license:").replace("revision: 1", "revision: x"))
    with pytest.raises(KubedebError) as raised:
        load(tmp_path / "hello")
    said = raised.value.render()
    assert "'licence' is missing" in said
    assert "unknown key 'license'" in said
    assert "versions.0.revision" in said


def test_a_good_recipe_keeps_versions_as_written(tmp_path: Path) -> None:
    loaded = load(samplerecipe.write_recipe(tmp_path) / "hello")
    assert [row.version for row in loaded.recipe.versions] == ["1.10"]
    assert sorted(loaded.debian) == ["control.j2", "rules"]


def test_the_folder_has_the_recipes_name(tmp_path: Path) -> None:
    samplerecipe.write_recipe(tmp_path, GOOD.replace("name: hello\n", "name: goodbye\n", 1))
    with pytest.raises(KubedebError, match="is named 'goodbye' but lies in the folder 'hello'"):
        load(tmp_path / "hello")


def test_versions_of_suites_sort_upwards_and_below_a_plain_revision_after_candidates() -> None:
    versions = [f"3.4.23-1{suite.version_suffix}" for suite in Suite]
    assert versions == ["3.4.23-1~deb11u1", "3.4.23-1~deb12u1", "3.4.23-1~deb13u1"]
    ordered = ["3.4.23~rc.1-1~deb12u1", "3.4.23~rc.2-1~deb11u1", *versions, "3.4.23-1", "3.4.23-2~deb11u1", "3.4.23-4"]
    assert all(compare_debian(low, high) < 0 for low, high in pairwise(ordered))
