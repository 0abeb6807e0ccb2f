"""What changes a build's digest, and what does not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import samplerecipe
from kubedeb.errors import KubedebError
from pkgbuild.library import choose, find
from pkgbuild.plan import Verb, differences, plan
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import BuildSpec, Expanded, Locked, expand


def expanded(folder: Path, suite: Suite = Suite.BOOKWORM, base: str = "b" * 64, sandbox: str = "d" * 64) -> Expanded:
    return expand(choose(find([folder]), ["hello"])[0], suite, Architecture.AMD64, Locked(base, sandbox))


def spec_of(folder: Path, text: str = samplerecipe.RECIPE, rules: str = samplerecipe.RULES) -> BuildSpec:
    return expanded(samplerecipe.write_recipe(folder, text, rules=rules)).spec


SAME = {
    "a comment": lambda text: "# why\n" + text,
    "order of keys": lambda text: text.replace("licence: MIT\n", "").replace("kind: prebuilt", "kind: prebuilt\nlicence: MIT"),
    "quotes": lambda text: text.replace("summary: says hello", 'summary: "says hello"'),
    "licence, which is not in the packages": lambda text: text.replace("MIT", "ISC"),
}
OTHER = {
    "revision": lambda text: text.replace("revision: 1", "revision: 2"),
    "date": lambda text: text.replace("2026-11-23", "2026-11-24"),
    "summary, which is in control": lambda text: text.replace("says hello", "shouts hello"),
    "digest": lambda text: text.replace("SHA256", "a" * 64),
    "copies": lambda text: text.replace("/usr/bin/hello:", "/usr/bin/hi:"),
    "what it says": lambda text: text.replace("hello {version}", "hi {version}"),
}


@pytest.mark.parametrize("what", SAME)
def test_the_same_build(what: str, tmp_path: Path) -> None:
    assert spec_of(tmp_path, SAME[what](samplerecipe.RECIPE)).digest == spec_of(tmp_path).digest


@pytest.mark.parametrize("what", OTHER)
def test_another_build(what: str, tmp_path: Path) -> None:
    assert spec_of(tmp_path, OTHER[what](samplerecipe.RECIPE)).digest != spec_of(tmp_path).digest


def test_base_sandbox_suite_and_templates_make_another_build(tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path)
    digests = {
        expanded(folder).spec.digest,
        expanded(folder, base="c" * 64).spec.digest,
        expanded(folder, Suite.TRIXIE).spec.digest,
        expanded(folder, sandbox="e" * 64).spec.digest,
    }
    digests.add(spec_of(tmp_path, rules=samplerecipe.RULES + "\n# x\n").digest)
    assert len(digests) == 5


def test_the_spec_says_version_epoch_and_pins(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert spec.package_version == "1.10-1~deb12u1"
    assert spec.epoch == 1795435200  # 2026-11-23 12:00:00 UTC
    assert [str(pin) for pin in spec.sources] == ["hello-source 1.10-3 (bookworm, amd64)"]
    assert spec.packages[0].says is not None
    assert spec.packages[0].says.output == "hello 1.10"


def test_an_architecture_without_sources(tmp_path: Path) -> None:
    chosen = choose(find([samplerecipe.write_recipe(tmp_path)]), ["hello"])[0]
    with pytest.raises(KubedebError, match=r"hello 1.10 has no sources for arm64"):
        expand(chosen, Suite.BOOKWORM, Architecture.ARM64)


def test_plan_builds_skips_and_compares_with_a_reason(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert plan(spec, stored=False, earlier=None, check=False).verb is Verb.BUILD
    assert plan(spec, stored=True, earlier=None, check=True).verb is Verb.REBUILD
    skip = plan(spec, stored=True, earlier=None, check=False)
    assert (skip.verb, skip.reason) == (Verb.SKIP, f"the store holds this build ({spec.digest[:12]})")


CHANGES = {
    "base": ({"base": "c"}, ["the base root"]),
    "the sandbox": ({"sandbox": "c"}, ["the sandbox (the Dockerfile's first stage)"]),
    "format": ({"format": 0}, ["kubedeb itself"]),
    "nothing that is known": ({}, ["its record was written differently"]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_plan_says_what_changed(what: str, tmp_path: Path) -> None:
    change, words = CHANGES[what]
    spec = spec_of(tmp_path)
    earlier = json.loads(json.dumps(dataclasses.replace(spec, **change).as_dict()))
    assert differences(spec, earlier) == words


def test_plan_names_the_files_that_changed(tmp_path: Path) -> None:
    earlier = json.loads(json.dumps(spec_of(tmp_path, rules=samplerecipe.RULES + "# old\n").as_dict()))
    action = plan(spec_of(tmp_path), stored=False, earlier=earlier, check=False)
    assert action.reason == "changed since the last build: debian/rules"
