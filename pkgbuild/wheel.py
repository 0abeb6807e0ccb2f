"""Wheels through the machine's own pip: exactly one file of exactly one version."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import ProcessError, run
from pkgbuild.spec import SourcePin

GONE = ("No matching distribution", "Could not find a version")


def pip_environment() -> dict[str, str]:
    """Return what lets pip find its configuration, which the runner's clean environment would hide."""
    return {name: os.environ[name] for name in os.environ if name.startswith("PIP_") or name == "XDG_CONFIG_HOME"}


def interpreter() -> str:
    """Return a Python that has pip: this one, else the machine's own, as for an environment that came without it."""
    return sys.executable if find_spec("pip") else "python3"


def tag_options(file: str) -> list[str]:
    """Return pip's options for the wheel of these tags, whatever this machine is (`…-PYTHON-ABI-PLATFORM.whl`)."""
    python, abi, platform = file.removesuffix(".whl").rsplit("-", 3)[1:]
    options: list[str] = []
    if platform != "any":
        options += [f"--platform={tag}" for tag in platform.split(".")]
    if abi != "none":
        options += [f"--abi={tag}" for tag in abi.split(".")]
    first = python.split(".")[0]
    if not first.startswith("py"):  # `py3` asks for no version: pip would read it as 3.0 and find nothing that needs more
        options += [f"--implementation={first[:2]}", f"--python-version={first[2:]}"]
    return options


def download(pin: SourcePin, folder: Path) -> Path:
    """Fetch a wheel into `folder` and return its path. Raises `KubedebError`: SOURCE_GONE or FETCH."""
    command = [
        interpreter(), "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--only-binary=:all:",
        "--no-cache-dir", "--quiet", f"--dest={folder}", *tag_options(pin.file), f"{pin.name}=={pin.version}",
    ]  # fmt: skip
    try:
        run(
            command,
            code=ExitCode.FETCH,
            env=pip_environment(),
            timeout=1800,
            hint="Does this machine's own pip reach its index?",
        )
    except ProcessError as error:
        if any(text in error.details for text in GONE):
            raise KubedebError(error.brief, details=error.details, code=ExitCode.SOURCE_GONE) from error
        raise
    found = folder / pin.file
    if not found.exists():
        names = ", ".join(sorted(path.name for path in folder.iterdir()))
        raise KubedebError(
            f"the index has no {pin.file}", details=f"pip chose {names or 'nothing'}.", code=ExitCode.SOURCE_GONE
        )
    return found
