"""`script/bench build`: two builds whose sources come slowly, from a server on loopback that is throttled."""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
import time
from pathlib import Path

from upstream import Behaviour, Upstream, serving

from kindsamples import LICENCE, RECIPES, SCRIPT, tarball
from kubedeb.errors import ExitCode
from kubedeb.process import run
from script.lib.measure import KUBEDEB, Figure, figure

EACH = 10.0
TOGETHER = 13.0
NAMES = ("hello-archive", "hello-second")


def throttled(bases: Path) -> list[Figure]:
    """Return how long two builds take together whose fetch takes ten seconds each."""
    with tempfile.TemporaryDirectory(prefix="kubedeb-bench-", dir="/var/tmp") as name, serving() as upstream:
        folder = Path(name)
        shutil.copytree(bases, folder / "store/bases")
        for number, recipe in enumerate(NAMES):
            _write(folder / "recipes", recipe, upstream, number)
        where: list[str | Path] = ["--recipes", folder / "recipes", "--store", folder / "store", "--cache", folder / "cache"]
        wanted = ["--jobs", "2", "--no-lintian", "--no-root-tests"]
        began = time.perf_counter()
        run([KUBEDEB, "build", *NAMES, *where, *wanted], code=ExitCode.BUG, timeout=300)
        took = time.perf_counter() - began
        asked = len(upstream.seen)
    about = {"fetch_seconds_each": EACH, "requests": asked, "jobs": 2}
    return [figure("two builds whose fetch takes 10 s each, together, s", took, TOGETHER) | {"about": about}]


def _write(recipes: Path, name: str, upstream: Upstream, number: int) -> None:
    """Write a recipe after the sample's example, its release on the server; what fills the release is never compressed."""
    padding = random.Random(number).randbytes(1_000_000)  # noqa: S311 - not a secret: bytes that gzip cannot shorten
    files = {"bin/hello": (SCRIPT, 0o755), "LICENSE": (LICENCE, 0o644), "padding": (padding, 0o644)}
    release = tarball("hello-1.10", files)
    url = upstream.add(f"/{name}/hello-1.10.tar.gz", release)
    upstream.behave(f"/{name}/hello-1.10.tar.gz", Behaviour(rate=int(len(release) / EACH)))
    shutil.copytree(RECIPES / "hello-archive", recipes / name)
    for file in (recipes / name).rglob("*"):
        if file.is_file():
            text = file.read_text().replace("hello-archive", name)
            if file.name == "recipe.yaml":
                text = _pinned(text, url, hashlib.sha256(release).hexdigest())
            file.write_text(text)
    for file in (recipes / name).rglob("hello-archive*"):
        file.rename(file.with_name(file.name.replace("hello-archive", name)))


def _pinned(text: str, url: str, sha256: str) -> str:
    """Return the recipe's text with its amd64 source alone, from the server."""
    head = text[: text.index("      arm64:")]
    lines = [line.partition("http://")[0] + url if "url: " in line else line for line in head.splitlines()]
    lines = [line.partition("sha256: ")[0] + f"sha256: {sha256}" if "sha256: " in line else line for line in lines]
    return "\n".join(lines) + "\n"
