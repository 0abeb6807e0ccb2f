"""Frozen dataclasses that are made in a tenth of the time, for modules that every short command loads.

`dataclass(frozen=True)` writes and compiles six methods for each class, which takes a millisecond: with fifty classes, as long
as all else that a command does before its work begins. These have methods that all classes share. (Python 3.13 compiles the six
at once.) To make one instance takes twice as long: what there are a hundred thousand of is a named tuple.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform

Class = TypeVar("Class")


class Strict:
    """A record of what people write in a file: where pydantic reads one, a key that it does not know is an error."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[Class]) -> type[Class]:
    """Make a class a frozen dataclass, as `dataclass(frozen=True)` does: by position or name, compared by value, hashable.

    `fields`, `replace`, `asdict`, copying and pickling know it. `__slots__`, and fields that are not given, are not for it.
    """
    dataclass(init=False, repr=False, eq=False)(cls)
    own: Any = cls
    own.__init__ = _initializer(cls.__name__, fields(own), getattr(cls, "__post_init__", None))
    own.__eq__, own.__hash__, own.__repr__ = _equal, _hash, _repr
    own.__setattr__, own.__delattr__ = _refuse, _refuse
    return cls


@dataclass_transform(frozen_default=True, order_default=True, field_specifiers=(field,))
def ordered(cls: type[Class]) -> type[Class]:
    """Make a class what `frozen` does, and let its instances be sorted by their values, as `dataclass(order=True)` does."""
    frozen(cls)
    own: Any = cls
    own.__lt__, own.__le__, own.__gt__, own.__ge__ = map(_comparison, (operator.lt, operator.le, operator.gt, operator.ge))
    return cls


def _comparison(holds: Callable[[Any, Any], bool]) -> Callable[[Any, object], bool]:
    def compare(self: Any, other: object) -> bool:
        return holds(_values(self), _values(other)) if other.__class__ is self.__class__ else NotImplemented

    return compare


def _initializer(name: str, known: tuple[Field[Any], ...], after: Callable[[Any], None] | None) -> Callable[..., None]:
    names = tuple(one.name for one in known)
    defaults = {one.name: one.default for one in known if one.default is not MISSING}
    factories: dict[str, Any] = {one.name: one.default_factory for one in known if one.default_factory is not MISSING}

    def __init__(self: Any, *values: Any, **more: Any) -> None:  # noqa: N807 - it becomes that method
        if len(values) > len(names):
            raise TypeError(f"{name} takes {len(names)} values, not {len(values)}")
        own = self.__dict__
        own.update(zip(names, values, strict=False))
        for left in names[len(values) :]:
            if left in more:
                own[left] = more.pop(left)
            elif left in defaults:
                own[left] = defaults[left]
            elif left in factories:
                own[left] = factories[left]()
            else:
                raise TypeError(f"{name} lacks its {left!r}")
        if more:
            raise TypeError(f"{name} takes no {', '.join(map(repr, more))}, or has it already")
        if after is not None:
            after(self)

    return __init__


def _values(one: Any) -> tuple[Any, ...]:
    own = one.__dict__
    return tuple([own[name] for name in one.__match_args__])


def _equal(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    named = (f"{name}={value!r}" for name, value in zip(self.__match_args__, _values(self), strict=True))
    return f"{self.__class__.__qualname__}({', '.join(named)})"


def _refuse(self: Any, name: str, *_: object) -> NoReturn:
    raise FrozenInstanceError(f"the field {name!r} of a {self.__class__.__name__} cannot be changed")
