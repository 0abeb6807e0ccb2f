import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.records import frozen, ordered


class Shape:
    """The fields and methods that both kinds of class are made with."""

    KIND: ClassVar[str] = "shape"
    name: str
    size: int = 1
    more: tuple[int, ...] = ()
    seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("a size is not negative")

    @property
    def twice(self) -> int:
        return 2 * self.size

    @cached_property
    def label(self) -> str:
        return f"{self.name}*{self.size}"


def made(decorator: Any) -> Any:
    """Return a class of that shape under one name, made by a decorator."""
    return decorator(type("Made", (), {**{name: value for name, value in vars(Shape).items() if name != "__dict__"}}))


OURS, THEIRS = made(frozen), made(dataclass(frozen=True))
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=2), "size": st.integers(-1, 3), "more": st.tuples(st.integers(0, 1)),
        "seen": st.dictionaries(st.text(max_size=1), st.integers(0, 1)), "other": st.none(),
    },
)  # fmt: skip


def outcome(make: Any, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Return what all can be seen of an instance, or the kind of error."""
    try:
        one = make(*values, **named)
    except (TypeError, ValueError) as error:
        return type(error)
    changed = replace(one, size=7)
    return repr(one), asdict(one), [part.name for part in fields(one)], one.twice, one.label, repr(changed), one == changed


@given(st.lists(st.sampled_from(["a", 0, 2, (1,), {}]), max_size=5), VALUES)
def test_does_what_a_frozen_dataclass_does(values: list[Any], named: dict[str, Any]) -> None:
    # What comes by position lacks its types: the two agree on that too.
    assert outcome(OURS, tuple(values), named) == outcome(THEIRS, tuple(values), named)


@given(VALUES, VALUES)
def test_compares_and_hashes_by_value(one: dict[str, Any], other: dict[str, Any]) -> None:
    for named in (one, other):
        named.pop("other", None)
        named.setdefault("name", "x")
        named["size"] = abs(named.get("size", 1))
    assert (OURS(**one) == OURS(**other)) == (THEIRS(**one) == THEIRS(**other))
    assert OURS(**one) != THEIRS(**one)
    with pytest.raises(TypeError, match="unhashable type: 'dict'"):
        hash(OURS(**one))
    assert len({Pair("a"), Pair("a", 1), Pair("a", 2)}) == 2


@frozen
class Pair:
    """Two values."""

    first: str
    second: int = 1


@frozen
class Triple(Pair):
    """A pair and one more."""

    third: int = 3


def test_cannot_be_changed() -> None:
    pair = Pair("a")
    with pytest.raises(FrozenInstanceError, match="the field 'first' of a Pair cannot be changed"):
        pair.first = "b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del pair.second
    with pytest.raises(FrozenInstanceError):
        pair.third = 1  # type: ignore[attr-defined]
    assert pair == Pair("a", 1)


def test_copies_and_pickles() -> None:
    triple = Triple("a", third=5)
    assert is_dataclass(triple)
    assert copy.deepcopy(triple) == pickle.loads(pickle.dumps(triple)) == triple == Triple("a", 1, 5)  # noqa: S301
    assert repr(triple) == "Triple(first='a', second=1, third=5)"
    assert Pair("a") != triple


OUR_ORDER, THEIR_ORDER = (decorator(type("Place", (), {"__annotations__": {"suite": str, "age": int}})) for decorator in
                          (ordered, dataclass(frozen=True, order=True)))  # fmt: skip


@given(st.lists(st.tuples(st.text(max_size=2), st.integers(-1, 1)), max_size=8))
def test_is_sorted_by_its_values(values: list[tuple[str, int]]) -> None:
    def seen(kind: Any) -> list[Any]:
        made = [kind(*one) for one in values]
        comparisons = [(a < b, a <= b, a > b, a >= b) for a in made for b in made]
        return [[repr(one) for one in sorted(made)], comparisons]

    assert seen(OUR_ORDER) == seen(THEIR_ORDER)
    with pytest.raises(TypeError, match="not supported between instances"):
        assert OUR_ORDER("a", 1) < THEIR_ORDER("a", 1)
