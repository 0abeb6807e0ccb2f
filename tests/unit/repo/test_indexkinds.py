"""Contents, Translation-en and phases, as text."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debs import Item, deb
from kubedeb.deb import DebError
from repo.contents import contents_text, paths_of
from repo.descriptions import apart, descriptions, together, translation_text
from repo.indices import kinds, packages_text
from repo.models import Package, Suite, SuiteOptions
from repo.phasing import phased

LINE = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=20).map(str.strip).filter(bool)
STANZA = "Package: a\n{}Filename: pool/x\n"


def package(name: str, architecture: str = "amd64", stanza: str = "Section: admin\n") -> Package:
    return Package(name, "1", architecture, name.encode().hex().ljust(64, "0"), 1, f"Package: {name}\n{stanza}")


@given(short=LINE, rest=st.lists(LINE, max_size=4), name=st.sampled_from(["Description", "description"]))
def test_a_description_is_put_together_again(short: str, rest: list[str], name: str) -> None:
    stanza = STANZA.format(f"{name}: {short}\n{''.join(f' {line}{chr(10)}' for line in rest)}")
    brief, digest, _ = apart(stanza)
    told = descriptions(translation_text([("a", stanza)]))
    assert (together(brief, told), list(told)) == (stanza, [digest])
    assert "\n " not in brief


def test_what_has_no_description_stays() -> None:
    assert apart("Package: a\n") == ("Package: a\n", "", "")
    assert translation_text([("a", "Package: a\n")]) == ""
    assert together("Package: a\n", {}) == "Package: a\n"


def test_one_description_of_several_versions_stands_once() -> None:
    stanzas = [("a", STANZA.format("Description: x\n y\n")), ("a", STANZA.format("Description: x\n y\n"))]
    assert translation_text(stanzas) == (
        "Package: a\nDescription-md5: 4196702216a7bf73e6209b4fcfc4abee\nDescription-en: x\n y\n\n"
    )


def test_contents_of_an_architecture() -> None:
    files = {"a": "usr/bin/a\nusr/share/both\n", "b": "usr/share/both\n", "c": "usr/bin/c\n", "d": "usr/bin/d\n"}
    rows = [package("a"), package("b", "all", ""), package("c", "arm64"), package("d", "source")]
    assert contents_text("amd64", rows, lambda member: files[member.name]) == (
        "usr/bin/a\tadmin/a\nusr/share/both\tadmin/a,b\n"
    )


def test_paths_are_those_of_files_and_links() -> None:
    items = [Item("./usr/"), Item("./usr/bin/x y", b"1"), Item("./usr/bin/z", kind=b"2", target="x")]
    items[0] = Item("./usr", kind=b"5")
    assert paths_of(io.BytesIO(deb(data=items))) == "usr/bin/x y\nusr/bin/z\n"
    assert paths_of(io.BytesIO(deb(data=[Item("./a\nb usr/evil"), Item("./c")]))) == "c\n"
    with pytest.raises(DebError):
        paths_of(io.BytesIO(b"!<arch>\n"))


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, set()),
        ({"contents": True}, {"main/Contents-amd64"}),
        ({"translations": True}, {"main/i18n/Translation-en"}),
    ],
)
def test_a_suite_has_what_it_asks_for(options: dict[str, bool], more: set[str]) -> None:
    usual = {"main/binary-amd64/Packages", "main/source/Sources"}
    found = kinds(Suite("s", ("amd64",), SuiteOptions(**options)))  # type: ignore[arg-type]
    assert {kind.path for kind in found} == usual | more
    # The pieces of one path that are made otherwise must not be taken for each other.
    assert (" short" in "".join(kind.key for kind in found)) == options.get("translations", False)


def test_short_packages_have_the_digest_of_the_whole() -> None:
    row = package("a", stanza="Description: x\n y\nSize: 1\n")
    assert packages_text("amd64", [row], short=True) == (
        "Package: a\nDescription: x\nDescription-md5: 4196702216a7bf73e6209b4fcfc4abee\nSize: 1\n\n"
    )
    assert packages_text("amd64", [row]) == f"{row.stanza}\n"


def test_phases() -> None:
    one = phased("Package: a\n", 10)
    assert one == "Package: a\nPhased-Update-Percentage: 10\n"
    assert (phased(one, 50), phased(one, 100)) == ("Package: a\nPhased-Update-Percentage: 50\n", "Package: a\n")
