"""The shipped recipes of what upstream builds, built from stand-in releases: every version, both architectures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import releases

from kubedeb.cli import run
from kubedeb.errors import ExitCode

NAMES = ("kubernetes", "helm")
NODES = (
    "etcd-upstream", "calico", "calico-upgrade", "containernetworking-plugins", "containernetworking-plugins-0799f573",
)  # fmt: skip
"""What runs beside Kubernetes."""


@dataclass(frozen=True)
class Stack:
    """What was built: release files by URL path, recipes pinned to them, cache, store, packages by architecture."""

    recipes: Path
    cache: Path
    store: Path
    files: dict[str, bytes]
    out: Path

    def debs(self, architecture: str = "amd64") -> list[Path]:
        """Return the packages of an architecture."""
        return sorted((self.out / architecture).glob("*.deb"))


def build(folder: Path, store: Path, names: tuple[str, ...] = NAMES) -> Stack:
    """Compile the stand-in, lay out the releases, build every version for each architecture that upstream has it for."""
    recipes, cache, out = folder / "recipes", folder / "cache", folder / "out"
    files = releases.stand_in(names, releases.program(folder), recipes, cache)
    for architecture in releases.ARCHITECTURES:
        wanted = [name for name in names if f"{architecture}:\n" in (recipes / name / "recipe.yaml").read_text()]
        status = run([
            "build", *wanted, "--recipes", str(recipes), "--cache", str(cache), "--store", str(store),
            "--arch", architecture, "--jobs", "2", "--offline", "-o", str(out / architecture),
        ])  # fmt: skip
        assert status == ExitCode.DONE
    return Stack(recipes, cache, store, files, out)
