"""Facts and plan files: JSON read strictly into a model, every error with its place, written whole in canonical form."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import write_text
from upgrade_plans.canonical import text_of
from upgrade_plans.models.words import NODE_SET

M = TypeVar("M", bound=BaseModel)


def load(path: Path, model: type[M], *, what: str, formats: tuple[int, ...], code: ExitCode) -> M:
    """Read `path` into `model`. Raises `KubedebError` with `code`: unreadable, not JSON, another format, not valid."""
    data = _read(path, what, code)
    _format(path, data, what, formats, formats[-1], code)
    return _valid(path, data, model, what, code)


def load_one_of(path: Path, models: Mapping[int, type[BaseModel]], *, what: str, code: ExitCode) -> BaseModel:
    """Read `path` into the model of the format that it states, else of the first one. Raises `KubedebError`, see `load`."""
    data = _read(path, what, code)
    number = _format(path, data, what, tuple(models), next(iter(models)), code)
    return _valid(path, data, models[number], what, code)


def _format(path: Path, data: dict[str, Any], what: str, formats: tuple[int, ...], unstated: int, code: ExitCode) -> int:
    """Return the format that a file states, `unstated` where it states none."""
    number = data.get("format", unstated)
    if number not in formats:
        raise KubedebError(
            f"{path}: {what} format {number!r} is not known here (known: {', '.join(map(str, sorted(formats)))})",
            hint=f"Make the {what} file again with this version of kubedeb.", code=code,
        )  # fmt: skip
    return int(number)


def _read(path: Path, what: str, code: ExitCode) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        data = json.loads(text, object_pairs_hook=_no_duplicates)
        if "\\ud" in text or "\\uD" in text:  # UTF-8 holds no halves of surrogate pairs, so only an escape can name one
            json.dumps(data, ensure_ascii=False).encode()
    except OSError as error:
        raise KubedebError(
            f"cannot read {path}", details=str(error.strerror), hint="Check the path and its rights.", code=code
        ) from error
    except UnicodeEncodeError as error:  # no text: it can be neither printed nor hashed
        raise KubedebError(f"{path}: a text in it holds half of a surrogate pair", hint="Mend it.", code=code) from error
    except UnicodeDecodeError as error:
        raise KubedebError(f"{path}: not UTF-8 text", hint=f"Is this a {what} file?", code=code) from error
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        reason = getattr(error, "msg", "nested too deeply")
        raise KubedebError(f"{path}:{line}: not valid JSON: {reason}", hint=f"Is this a {what} file?", code=code) from error
    except ValueError as error:
        raise KubedebError(f"{path}: {error}", hint="Keep one of them.", code=code) from error
    if not isinstance(data, dict):
        raise KubedebError(f"{path}: not a {what} file", details="It holds no JSON object.", code=code)
    return data


def _valid(path: Path, data: dict[str, Any], model: type[M], what: str, code: ExitCode) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first, *more = (_finding(path, data, model, item) for item in error.errors())
    raise KubedebError(first, details="\n".join(more), hint=f"Make the {what} file again, or mend it.", code=code)


def format_of(path: Path) -> object:
    """Return the `format` that a JSON file states; None when it states none or cannot be read: `load` says why."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return data.get("format") if isinstance(data, dict) else None


def save(path: Path, value: BaseModel, *, what: str, code: ExitCode) -> None:
    """Write a model to `path`, whole. Raises `KubedebError` with `code` when it cannot be written."""
    with storage_errors(f"the {what} file", code):
        write_text(path, text_of(value))


def schema(model: type[BaseModel], what: str) -> dict[str, Any]:
    """Return the JSON schema of a `what` file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(by_alias=True),
        "title": f"kubedeb {what}",
    }


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} is there twice")
    return found


def _finding(path: Path, data: Any, model: type[BaseModel], item: ErrorDetails) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "the file"
    if item["type"] == "extra_forbidden":
        key = str(item["loc"][-1])
        near = [name for name in difflib.get_close_matches(key, _names(model), n=2) if name != key]  # known, but not here
        return f"{path}: {where}: unknown key" + (f": did you mean {near[0]!r}?" if near else "")
    if item["type"] == "missing":
        return f"{path}: {where} is missing"
    named = _identity(data, item["loc"])
    if item["type"] == "string_pattern_mismatch" and item.get("ctx", {}).get("pattern") == NODE_SET:
        return (
            f"{path}: {where[:80]}{named}: {str(item['input'])[:60]!r} is not a node set (expected: folded, as in w[01-40],m1)"
        )
    return f"{path}: {where}{named}: {item['msg'].removeprefix('Value error, ')}"


def _identity(data: Any, where: tuple[int | str, ...]) -> str:
    """Return ` (in etcd1)` for the nearest thing around `where` that has a name of its own."""
    name = ""
    for part in where:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(data, dict):
            name = str(data.get("id") or data.get("node") or name)
    return f" (in {name})" if name else ""


@lru_cache(maxsize=8)
def _names(model: type[BaseModel]) -> list[str]:
    """Return every key that a model and the models in it know."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({name for part in parts for name in part.get("properties", {})})
