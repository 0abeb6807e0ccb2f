import pytest
from debian.deb822 import Deb822
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.stanza import Stanza, StanzaError, one, read

LETTERS = st.characters(
    min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f\x85", exclude_categories=["Cc", "Zs", "Cf"]
)
WORDS = st.text(LETTERS, min_size=1, max_size=12)
LINE = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True)
VALUES = st.tuples(LINE, st.lists(LINE, max_size=3)).map(lambda parts: "\n ".join([parts[0], *parts[1]]))
FIELDS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=6).filter(lambda f: len({n.lower() for n in f}) == len(f))


@given(FIELDS)
def test_text_is_the_inverse_of_one(fields: dict[str, str]) -> None:
    assert dict(one(Stanza(fields.items()).text())) == fields


@given(st.lists(FIELDS, min_size=1, max_size=4))
def test_reads_what_python_debian_reads(stanzas: list[dict[str, str]]) -> None:
    text = "\n".join(Stanza(fields.items()).text() for fields in stanzas)
    theirs = [dict(found) for found in Deb822.iter_paragraphs(text, use_apt_pkg=False)]
    assert [dict(found) for found in read(text.splitlines(keepends=True))] == theirs == stanzas


def test_a_value_may_begin_on_the_next_line() -> None:
    stanza = one("SHA256:\n abc 1 Packages\n def 2 Release\n")
    assert stanza["sha256"] == "\n abc 1 Packages\n def 2 Release"
    assert stanza.text() == "SHA256:\n abc 1 Packages\n def 2 Release\n"


def test_names_compare_without_regard_to_case() -> None:
    stanza = one("package: a\nVERSION: 1\n")
    assert (stanza["Package"], stanza.get("Version"), "Nothing" in stanza) == ("a", "1", False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 stanzas where there must be exactly one"),
        ("A: 1\n\nB: 2\n", "2 stanzas where there must be exactly one"),
        ("A: 1\nno field\n", "line 2: not a field ('Name: value'): 'no field'"),
        ("#A: 1\n", "line 1: not a field ('Name: value'): '#A: 1'"),
        ("-A: 1\n", "line 1: not a field ('Name: value'): '-A: 1'"),
        (": 1\n", "line 1: not a field ('Name: value'): ': 1'"),
        (" A: 1\n", "line 1: a continuation line without a field: ' A: 1'"),
        ("A: 1\n \nB: 2\n", "line 2: only blanks: ' '"),
        ("A: 1\r\n", "line 1: a control character stands in it: 'A: 1\\r'"),
        ("A: \x1b[2J\n", "line 1: a control character stands in it: 'A: \\x1b[2J'"),
        ("A: 1\u2028Filename: x\n", "line 1: a control character stands in it: 'A: 1\\u2028Filename: x'"),
        ("A: 1\na: 2\n", "field a is there twice in the stanza that ends before line 3"),
    ],
)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(StanzaError) as error:
        one(text)
    assert str(error.value) == message
