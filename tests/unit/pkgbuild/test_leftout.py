"""Versions that nobody should run, that cannot be built here."""

from __future__ import annotations

from pathlib import Path

import pytest

import samplerecipe
from kubedeb.errors import KubedebError
from pkgbuild.library import choose, find, fitting, load
from pkgbuild.lint import lint
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import expand


def changed(folder: Path, *pairs: tuple[str, str]) -> dict[str, Path]:
    """Lay the sample recipe out with texts exchanged; return where its recipes are."""
    file = samplerecipe.write_recipe(folder) / "hello/recipe.yaml"
    text = file.read_text()
    row = text.partition("versions:\n")[2]
    text += row.replace('version: "1.10"', 'version: "1.9"', 1)
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)
    return find([file.parent.parent])


def test_a_blocked_version_is_refused_with_its_reason_and_source(tmp_path: Path) -> None:
    found = changed(tmp_path, ("name: hello\n", "name: hello\nproduct: etcd\n"), ('version: "1.10"', 'version: "3.5.1"'))
    (finding,) = [line for line in lint(load(found["hello"])) if "blocked" in line]
    assert finding.startswith("version 3.5.1 is blocked: In etcd 3.5.0 to 3.5.2 revision and data of the members can become")
    assert "Take 3.5.6 or later. (etcd-blocked-3.5.0-2, etcd-io/etcd:CHANGELOG/CHANGELOG-3.5.md@" in finding


@pytest.mark.parametrize("version", ["3.0.0", "3.5.0", "3.5.2", "3.5.5", "3.4.21"])
def test_every_blocked_etcd_is_refused(tmp_path: Path, version: str) -> None:
    found = changed(tmp_path, ("name: hello\n", "name: hello\nproduct: etcd\n"), ('version: "1.10"', f'version: "{version}"'))
    assert any(line.startswith(f"version {version} is blocked: ") for line in lint(load(found["hello"])))


def test_a_version_that_nobody_blocks_is_not(tmp_path: Path) -> None:
    found = changed(tmp_path, ("name: hello\n", "name: hello\nproduct: etcd\n"), ('version: "1.10"', 'version: "3.5.16"'))
    assert [line for line in lint(load(found["hello"])) if "blocked" in line] == []


def test_what_cannot_be_built_here_is_left_out_unless_it_is_named(tmp_path: Path) -> None:
    found = changed(tmp_path, ('  - version: "1.10"\n', '  - version: "1.10"\n    suites: [trixie]\n'))

    def left(wanted: list[str], suite: Suite = Suite.BOOKWORM) -> tuple[list[str], list[str]]:
        chosen, lost = fitting(choose(found, wanted or ["hello"]), wanted, suite, Architecture.AMD64)
        return [one.row.version for one in chosen], [str(one) for one in lost]

    why = "hello 1.10: left out: it is built for trixie, not for bookworm"
    assert left([]) == (["1.9"], [why])
    assert left(["hello"]) == (["1.9"], [why])
    assert left(["hello"], Suite.TRIXIE) == (["1.10", "1.9"], [])
    assert left(["hello@1.10"]) == (["1.10"], [])
    with pytest.raises(KubedebError, match=r"hello 1\.10 is not built for bookworm"):
        expand(choose(found, ["hello@1.10"])[0], Suite.BOOKWORM, Architecture.AMD64)


def test_a_recipe_of_which_nothing_would_be_left_says_why(tmp_path: Path) -> None:
    found = changed(tmp_path)
    chosen, lost = fitting(choose(found, ["hello"]), ["hello"], Suite.BOOKWORM, Architecture.ARM64)
    assert ([one.row.version for one in chosen], lost) == (["1.10", "1.9"], [])
    chosen, lost = fitting(choose(found, ["hello"]), [], Suite.BOOKWORM, Architecture.ARM64)
    assert (chosen, {one.why for one in lost}) == ([], {"it has no sources for arm64"})


def test_parts_name_a_source_or_a_package(tmp_path: Path) -> None:
    found = changed(tmp_path, ('  - version: "1.10"\n', '  - version: "1.10"\n    parts: {nothing: "1.0"}\n'))
    with pytest.raises(KubedebError) as raised:
        load(found["hello"])
    assert (
        "version 1.10 has parts that are neither a source nor a package: nothing"
        in f"{raised.value.brief}{raised.value.details}"
    )
