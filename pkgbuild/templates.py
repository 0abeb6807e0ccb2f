"""A recipe's templates, filled in by Jinja in its sandbox; pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2.sandbox

from kubedeb.errors import ExitCode, KubedebError


def fill(text: str, values: Mapping[str, Any], where: str) -> str:
    """Return a template filled in; `where` is its file, for messages. Raises `KubedebError` (RECIPE) with the line."""
    try:
        shown = _template(text).render(values)
        shown.encode()  # half of a character (\ud800) cannot be written
    except jinja2.TemplateSyntaxError as error:
        raise KubedebError(f"{where}:{error.lineno}: {error.message}", code=ExitCode.RECIPE) from error
    except jinja2.UndefinedError as error:
        known = ", ".join(sorted(values))
        place = f"{where}:{_line_of(error)}"
        raise KubedebError(f"{place}: {error.message}", hint=f"Templates know: {known}.", code=ExitCode.RECIPE) from error
    except Exception as error:  # a template computes: it may divide by zero, or call what cannot be called
        raise KubedebError(f"{where}:{_line_of(error)}: {type(error).__name__}: {error}", code=ExitCode.RECIPE) from error
    return shown


@cache
def _template(text: str) -> jinja2.Template:
    """Return a template, compiled once for all versions of a recipe."""
    return _environment().from_string(text)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )


def _line_of(error: Exception) -> int:
    """Return the line of the template that an error is from: Jinja rewrites its traceback."""
    import traceback

    frames = traceback.walk_tb(error.__traceback__)
    return max((line for frame, line in frames if frame.f_code.co_filename == "<template>"), default=1)
