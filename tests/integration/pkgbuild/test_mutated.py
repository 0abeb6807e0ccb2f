"""Recipes that were damaged at random: read, expanded and rendered, or refused as a recipe; never anything else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kindsamples
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.library import Chosen, load
from pkgbuild.lint import lint
from pkgbuild.recipe import Suite
from pkgbuild.spec import expand
from pkgbuild.steps import environment, steps

EXAMPLES = 500
PIECES = [
    "", " ", "\n", "\t", "#", ":", "- ", "{", "}", "[", "]", "{{", "}}", "{%", "%}", "{{ 1 / 0 }}", "{{ row() }}",
    "{{ recipe.nothing }}", "{% for x in version %}", "{% include 'x' %}", "&a", "*a", "!!python/object", "|", ">",
    "0", "-1", "1e999", "null", "~", "'", "\"", "\\", "\u0000", "\x85", "\ufeff", "\u00e9", "../", "/etc/passwd",
    "kind: go\n", "kind: debian\n", "kind: wheel\n", "amd64", "arm64", "{version}", "$(x)", "sha512", "9" * 5000,
    "a" * 300, "programs: {}\n", "date: 0000-00-00\n", "compression: xz-9\n", "gopath", "dsc", "archive",
]  # fmt: skip
SAMPLES = ("hello-archive", "hello-daemon", "hello-gopath", "hello-wheel")
FILES = {"recipe.yaml": "recipe.yaml", "control": "debian/control.j2", "rules": "debian/rules", "series": "patches/1.10/series"}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Lay the samples out once, without the tools that make a source package: no source is read here."""
    folder = tmp_path_factory.mktemp("mutated")
    for name in SAMPLES:
        shutil.copytree(kindsamples.RECIPES / name, folder / name)
        recipe = folder / name / "recipe.yaml"
        recipe.write_text(kindsamples.PIN.sub("sha256: " + "ab" * 32, recipe.read_text()))
    return {name: folder / name for name in SAMPLES}


edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(PIECES)), min_size=1, max_size=3)


def mutated(text: str, changes: list[tuple[float, int, str]]) -> str:
    for where, length, piece in changes:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + length :]
    return text


def judge(folder: Path) -> None:
    loaded = load(folder)
    lint(loaded)
    for row in loaded.recipe.versions:
        for architecture in row.sources:
            spec = expand(Chosen(loaded, row), Suite.BOOKWORM, architecture).spec
            assert spec.digest
            assert steps(spec, "x.dsc")
            assert environment(spec)


@pytest.mark.turn("mutated recipes")
@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.sampled_from(sorted(FILES)), changes=edits)
def test_a_mutated_recipe_is_read_or_refused(
    name: str, samples: dict[str, Path], file: str, changes: list[tuple[float, int, str]]
) -> None:
    path = samples[name] / FILES[file]
    if not path.exists():
        path = samples[name] / "recipe.yaml"
    before = path.read_bytes()
    refused = None
    try:
        path.write_text(mutated(before.decode(), changes), errors="replace")
        judge(samples[name])
    except KubedebError as error:
        refused = error
    finally:
        path.write_bytes(before)
    assert refused is None or (refused.code is ExitCode.RECIPE and refused.brief)


def test_unharmed_samples_pass(samples: dict[str, Path]) -> None:
    for folder in samples.values():
        judge(folder)
        assert lint(load(folder)) == []
