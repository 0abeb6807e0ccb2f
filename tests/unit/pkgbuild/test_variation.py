"""What --check varies: as the docs say, as both sandboxes saw it, and nothing silently left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pkgbuild.sandbox import SandboxKind
from pkgbuild.variation import (
    BOTH,
    CLOCK,
    ENVIRONMENT,
    VARIATIONS,
    environment,
    impossible,
    not_varied,
    probe,
    read_probe,
    varied,
    with_table,
)

PAGE = Path(__file__).parents[3] / "docs/reproducibility.md"
FIRST = {one.name: "first" for one in VARIATIONS}
SECOND = {one.name: "second" for one in VARIATIONS}


def test_the_page_has_the_table() -> None:
    text = PAGE.read_text()
    assert with_table(text) == text
    assert with_table(text.replace("| umask |", "| mask |")) == text


def test_a_probes_output_is_read() -> None:
    printed = "umask: 0022 \ntime: 2026-11-24\nlocale:\nsearch path: /a:/b \n"
    assert read_probe(printed) == {"umask": "0022", "time": "2026-11-24", "locale": "", "search path": "/a:/b"}
    assert probe().count("\n") == len(VARIATIONS)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", [one.name for one in VARIATIONS])
def test_what_both_saw_alike_is_told_unless_it_is_listed(name: str, kind: SandboxKind) -> None:
    listed = impossible(kind, 2)
    assert not_varied(FIRST, SECOND, listed) == []
    assert not_varied(FIRST, {**SECOND, name: "first"}, listed) == ([] if name in listed else [name])
    assert (name in listed) != (name in {one.name for one in varied(listed)})


def test_only_unpacking_keeps_the_clock() -> None:
    assert environment(["sh", "-c", "date"]) == ENVIRONMENT
    assert environment(["dpkg-source", "--extract", "a.dsc", "a"]).keys() == ENVIRONMENT.keys() - set(CLOCK)


def test_one_processor_cannot_be_fewer() -> None:
    for kind in BOTH:
        listed = impossible(kind, 1)
        assert not_varied(FIRST, {**SECOND, "processors": "first"}, listed) == []
        assert listed["processors"] == "the machine has one"
        assert "processors" not in {one.name for one in varied(listed)}
