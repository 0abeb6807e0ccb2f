from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import Strict, frozen
from kubedeb.yamlfile import Form, Quoted, Scalar, StrictModel, load, load_model, parse, validate

if TYPE_CHECKING:
    NotTooMuch = int


class Row(StrictModel):
    version: Quoted
    revision: int = 1


class Sample(StrictModel):
    name: str
    versions: list[Row]


@frozen
class PlainRow(Strict):
    """What a dataclass' annotations name need not be there when it is made."""

    version: Quoted
    revision: NotTooMuch = 1


@frozen
class PlainSample(Strict):
    name: str
    versions: list[PlainRow]

    def __post_init__(self) -> None:
        if self.name == "none":
            raise ValueError("a name of its own is needed")


def no_row_twice(sample: PlainSample) -> None:
    if len({row.version for row in sample.versions}) < len(sample.versions):
        raise ValueError("a version is there twice")


FORM = Form(PlainSample, {"Quoted": Quoted, "PlainRow": PlainRow, "NotTooMuch": Annotated[int, Field(lt=1000)]}, no_row_twice)
GOOD = """\
name: etcd
versions:
  - version: "1.10"
    revision: 2
"""

BROKEN = {
    "unknown key": ("name: etcd\nversons: []\n", ["x.yaml:2: unknown key 'versons': did you mean 'versions'?"]),
    "unknown key inside": (
        'name: e\nversions:\n  - version: "1"\n    rev: 2\n',
        ["x.yaml:4: unknown key 'rev': did you mean 'revision'?"],
    ),
    "nothing near": ("name: e\nversions: []\nzzz: 1\n", ["x.yaml:3: unknown key 'zzz': known are: name, versions"]),
    "missing": ("versions: []\n", ["x.yaml:1: 'name' is missing"]),
    "missing inside": ("name: e\nversions:\n  - revision: 3\n", ["x.yaml:3: 'versions.0.version' is missing"]),
    "unquoted": (
        "name: e\nversions:\n  - version: 1.10\n",
        ['x.yaml:3: versions.0.version: other YAML readers see a number here (1.10 becomes 1.1); write "1.10" in quotes'],
    ),
    "duplicate": ("name: a\nname: b\n", ["x.yaml:2: key 'name' is there twice", "It stands in line 1 already."]),
    "not yaml": ("name: [a\nb: c\n", ["x.yaml:2: not valid YAML"]),
    "alias": ("name: &n e\nversions:\n  - version: *n\n", ["x.yaml:3: an alias (*n)", "Write it out"]),
    "alias of itself": ("name: e\nversions: &v\n  - *v\n", ["x.yaml:3: an alias (*v)"]),
    "nested too deeply": ("name: e\nversions: " + "[" * 100_000 + "\n", ["x.yaml:2: nested more than 50 levels deep"]),
    "nested too deeply in blocks": ("- " * 100_000 + "a\n", ["x.yaml:1: nested more than 50 levels deep"]),
    "wrong kind": ("name: e\nversions: many\n", ["x.yaml:2: versions: a list is expected, as in [one, two]"]),
    "a list": ("- a\n", ["x.yaml:1: the file: a mapping is expected, as in {key: value}"]),
}


def read(text: str) -> Sample:
    return validate(parse(text, Path("x.yaml"), code=ExitCode.RECIPE), Sample, code=ExitCode.RECIPE)


def read_plain(text: str) -> PlainSample:
    return FORM.validate(parse(text, Path("x.yaml"), code=ExitCode.RECIPE), code=ExitCode.RECIPE)


def test_good() -> None:
    assert read(GOOD) == Sample(name="etcd", versions=[Row(version="1.10", revision=2)])
    assert read_plain(GOOD) == PlainSample("etcd", [PlainRow("1.10", 2)])


@pytest.mark.parametrize("reader", [read, read_plain], ids=["model", "dataclass"])
@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken(text: str, expected: list[str], reader: Callable[[str], object]) -> None:
    with pytest.raises(KubedebError) as caught:
        reader(text)
    assert caught.value.code == ExitCode.RECIPE
    for line in expected:
        assert line in caught.value.render()


def test_every_finding_is_told() -> None:
    with pytest.raises(KubedebError) as caught:
        read("nam: e\nversions:\n  - version: 1.10\n")
    message = caught.value.render()
    assert "unknown key 'nam'" in message
    assert "'name' is missing" in message
    assert "x.yaml:3: versions.0.version" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("2", "1000"), "x.yaml:4: versions.0.revision: Input should be less than 1000"),
        ("name: none\nversions: []\n", "x.yaml:1: the file: a name of its own is needed"),
        (GOOD + GOOD.partition("versions:\n")[2], "x.yaml:1: the file: a version is there twice"),
    ],
)
def test_a_form_says_what_a_dataclass_and_what_all_of_it_refuses(text: str, said: str) -> None:
    with pytest.raises(KubedebError) as caught:
        read_plain(text)
    assert said in caught.value.render()


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(KubedebError, match="cannot read"):
        load_model(tmp_path / "none.yaml", Sample, code=ExitCode.RECIPE)
    (tmp_path / "bin.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KubedebError, match="cannot read"):
        load(tmp_path / "bin.yaml", code=ExitCode.RECIPE)


@pytest.mark.parametrize("text", ["1.10", "0755", "on", "1e3", "null", "~", "2001-01-01"])
def test_a_scalar_is_what_was_written(text: str) -> None:
    document = parse(f"a: {text}\n", Path("x"), code=ExitCode.RECIPE)
    assert document.data == {"a": text}
    assert isinstance(document.data["a"], Scalar)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_message(text: str) -> None:
    messages: list[str] = []
    try:
        validate(parse(text, Path("x.yaml"), code=ExitCode.RECIPE), Sample, code=ExitCode.RECIPE)
    except KubedebError as error:
        messages.append(error.brief)
    assert all(message.startswith("x.yaml:") for message in messages)
