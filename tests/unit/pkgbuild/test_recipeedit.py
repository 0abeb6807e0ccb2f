"""A row is added behind the last one and nothing else in the file changes, whatever comments and quotes it has."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.yamlfile import parse
from pkgbuild.bump import checksum_of, digest_in, upstream_part
from pkgbuild.recipeedit import with_digest, with_row

DAY = datetime.date(2026, 11, 24)
HEX, OTHER, LONG = "a" * 64, "b" * 64, "c" * 128
SOURCES = {"amd64": [{"kind": "archive", "name": "etcd", "url": "https://up.invalid/{version}.tar.gz", "sha256": HEX}]}
ROW = f"""\
  - version: "3.5.17"
    revision: 1
    date: "2026-11-24"
    changes:
      - New upstream version 3.5.17.
    sources:
      amd64:
        - kind: archive
          name: etcd
          url: https://up.invalid/{{version}}.tar.gz
          sha256: {HEX}
"""

comments = st.from_regex(r"#[ -~]{0,20}", fullmatch=True)
quotes = st.sampled_from(["{}", "'{}'", '"{}"'])


def test_a_row_is_built_like_the_last_one() -> None:
    last = '    date: "2026-11-23"\n    without: [tiller]  # why\n    suites:\n      - bookworm\n      - trixie\n'
    text = f'versions:\n  - version: "3.5.16"\n    revision: 7\n{last}    sources: {{amd64: []}}\n'
    kept = "    without: [tiller]\n    suites: [bookworm, trixie]\n"
    like = ("without", "suites", "build_options")
    assert with_row(text, "3.5.17", DAY, SOURCES, like) == text + ROW.replace("    sources:\n", f"{kept}    sources:\n")


@st.composite
def recipes(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a recipe as (what comes before a new row, what comes after), its words in any quotes, with comments anywhere."""

    def line(text: str) -> str:
        return text + draw(st.sampled_from(["", "  ", "   " + draw(comments)])) + "\n"

    def between() -> str:
        return "".join(draw(st.lists(st.sampled_from(["\n", "  # " + draw(st.text("ab é:", max_size=5)) + "\n"]), max_size=2)))

    before = line("# a recipe") + line("name: " + draw(quotes).format("etcd")) + between() + line("versions:")
    for number in range(draw(st.integers(1, 3))):
        before += between() + line("  - version: " + draw(st.sampled_from(["'{}'", '"{}"'])).format(f"3.4.{number}"))
        before += (
            line("    changes: [one, two]")
            if draw(st.booleans())
            else "    changes:\n" + line("      - " + draw(quotes).format("one"))
        )
        before += (
            line("    sources: {amd64: []}")
            if draw(st.booleans())
            else "    sources:\n" + line("      amd64: " + draw(quotes).format("x"))
        )
    return before, between() + draw(st.sampled_from(["", line("homepage: https://up.invalid")]))


@settings(max_examples=300, deadline=None)
@given(recipe=recipes(), crlf=st.booleans())
def test_nothing_but_the_row_changes(recipe: tuple[str, str], *, crlf: bool) -> None:
    before, after, row = (text.replace("\n", "\r\n") if crlf else text for text in (*recipe, ROW))
    assert with_row(before + after, "3.5.17", DAY, SOURCES) == before + row + after


def test_a_file_without_a_last_newline_gets_one() -> None:
    text = 'versions:\n- version: "1"\n  x: y'
    changed = with_row(text, "3.5.17", DAY, SOURCES)
    assert changed.startswith(text + '\n- version: "3.5.17"\n  revision: 1\n')
    versions = parse(changed, Path("recipe.yaml"), code=ExitCode.RECIPE).data["versions"]
    assert [row["version"] for row in versions] == ["1", "3.5.17"]


def test_a_list_in_one_line_is_not_edited() -> None:
    with pytest.raises(KubedebError, match="are not a list with a line for each item"):
        with_row('versions: [{version: "1"}]\n', "2", DAY, SOURCES)


def test_a_digest_takes_the_place_of_the_reason() -> None:
    text = """\
versions:
  - version: "1"
    sources:
      amd64:
        - name: a  # stays
          unpinned: "upstream says nothing"  # stays too
          url: x
"""
    assert with_digest(text, "1", "amd64", 0, ("sha256", HEX)) == text.replace(
        'unpinned: "upstream says nothing"', f"sha256: {HEX}"
    )


CHECKSUM_FILES = {
    "kubernetes": (HEX, HEX),
    "kubernetes, sha512": (LONG + "\n", LONG),
    "etcd": (f"{OTHER}  etcd-v1-arm64.tar.gz\n{HEX}  etcd.tar.gz\n", HEX),
    "binary mark": (f"{HEX} *etcd.tar.gz\n", HEX),
    "in a folder": (f"{HEX}  ./dist/etcd.tar.gz\n", HEX),
    "BSD": (f"SHA256 (etcd.tar.gz) = {HEX}\n", HEX),
    "upper case": (f"{HEX.upper()}  etcd.tar.gz\n", HEX),
    "another file's": (f"{HEX}  xetcd.tar.gz\n", None),
    "one that begins alike": (f"{HEX}  etcd.tar.gz.asc\n", None),
    "two that differ": (f"{HEX}  etcd.tar.gz\n{OTHER}  etcd.tar.gz\n", None),
    "an error page": ("<html>404</html>", None),
    "empty": ("", None),
}


@pytest.mark.parametrize("what", CHECKSUM_FILES)
def test_checksum_files_of_all_layouts_are_read(what: str) -> None:
    text, expected = CHECKSUM_FILES[what]
    assert digest_in(text, "etcd.tar.gz") == (checksum_of(expected) if expected else None)


@pytest.mark.parametrize(
    ("version", "upstream"),
    [("3.5.16-4", "3.5.16"), ("3.3.25+dfsg-6+b6", "3.3.25"), ("1:2.10-3", "2.10"), ("1.0~ds1-1", "1.0"), ("2024", "2024"),
     ("1.20.5+really1.20.2-1.1", "1.20.2"), ("3.5.0-rc1-1", "3.5.0-rc1")],
)  # fmt: skip
def test_a_debian_versions_upstream_part(version: str, upstream: str) -> None:
    assert upstream_part(version) == upstream
