"""Writes the wheels of recipes/kubedeb: what kubedeb and its extras need, in the versions of constraints.txt, pinned by sha256.

The machine's own pip resolves them for each architecture as Debian 12's Python 3.11 would, and says the digests; nothing of
the index that it asks is written down. `python script/lib/wheels.py` rewrites the recipe's sources in place.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import tomllib
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from kubedeb.errors import ExitCode
from kubedeb.files import write_text
from kubedeb.process import run
from pkgbuild.wheel import pip_environment

TOP = Path(__file__).resolve().parents[2]
RECIPE = TOP / "recipes/kubedeb/recipe.yaml"
PYTHON = "3.11"
GLIBC_MINORS = range(36, 4, -1)
"""Debian 12 has glibc 2.36: what a wheel's tag may ask for (PEP 600)."""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
EXTRAS = ("farm", "s3")
OWN = """\
        - kind: wheel
          package: kubedeb
          version: "{version}"
          file: kubedeb-{version}-py3-none-any.whl
          unpinned: it holds this recipe, so its digest cannot stand here; script/package builds it and pins it in a copy
"""


def wanted() -> list[str]:
    """Return what the project requires, its extras' requirements with it."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *(one for extra in EXTRAS for one in project["optional-dependencies"][extra])]


def resolved(machine: str) -> list[tuple[str, str, str, str]]:
    """Return (package, version, file, sha256) of every wheel, by name."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
    tags += [f"{name}_{machine}" for name in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        argv = [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--dry-run", "--ignore-installed",
            "--only-binary=:all:", "--target", f"{folder}/target", "--python-version", PYTHON, "--implementation=cp",
            *(f"--platform={tag}" for tag in tags), "--constraint", str(TOP / "constraints.txt"),
            "--report", str(report), *wanted(),
        ]  # fmt: skip
        run(argv, code=ExitCode.FETCH, env=pip_environment(), timeout=1800)
        found = json.loads(report.read_text())["install"]
    wheels = []
    for one in found:
        about, source = one["metadata"], one["download_info"]
        name = re.sub(r"[-_.]+", "-", about["name"]).lower()
        file = unquote(PurePosixPath(urlsplit(source["url"]).path).name)
        wheels.append((name, about["version"], file, source["archive_info"]["hashes"]["sha256"]))
    return sorted(wheels)


def sources(version: str) -> str:
    """Return the recipe's text from `sources:` on."""
    lines = ["    sources:\n"]
    for architecture, machine in MACHINES.items():
        lines += [f"      {architecture}:\n", OWN.format(version=version)]
        lines += [
            f'        - kind: wheel\n          package: {name}\n          version: "{number}"\n          file: {file}\n'
            f"          sha256: {sha256}\n"
            for name, number, file, sha256 in resolved(machine)
        ]
    return "".join(lines)


if __name__ == "__main__":
    text = RECIPE.read_text()
    head = text[: text.index("    sources:\n")]
    write_text(RECIPE, head + sources(re.findall(r'version: "([^"]+)"', head)[-1]))
