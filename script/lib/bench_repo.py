"""`script/bench repo`: our repository beside aptly and reprepro, with the same synthetic packages, in one run.

Ours is timed with the client's proof on; the proof's share is what `--json` says of it and stands apart. aptly and reprepro
prove nothing. Contents are off in all three.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode
from kubedeb.process import run
from script.lib.measure import KUBEDEB, Figure, figure

RUNS = 5
SIZES = (10_000, 100_000)
MORE = "Section: net\nPriority: optional\nDepends: libc6 (>= 2.36), adduser\nHomepage: https://example.org/\n"
SECONDS = 3600


def synthetic(folder: Path, count: int) -> tuple[Path, list[Path]]:
    """Write `count` packages of one version, and further versions of one of them; return the folder and those."""
    from debs import control, deb

    many = folder / "packages"
    many.mkdir(parents=True)
    for number in range(count):
        name = f"package-{number:06}"
        text = control(name, "1.0-1", more=MORE)
        (many / f"{name}_1.0-1_amd64.deb").write_bytes(deb(text, form=".gz", data={f"./{name}": name.encode()}))
    name, further = f"package-{count // 2:06}", []
    for version in range(2, 2 + RUNS + 1):
        further.append(folder / f"{name}_{version}.0-1_amd64.deb")
        further[-1].write_bytes(deb(control(name, f"{version}.0-1", more=MORE), form=".gz", data={"./x": b"x"}))
    return many, further


def timed(action: Callable[[], object]) -> float:
    """Return the wall time of `action` in seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def command(*arguments: object, env: dict[str, str] | None = None) -> Any:
    """Run a tool to its good end."""
    return run([str(argument) for argument in arguments], code=ExitCode.BUG, timeout=SECONDS, env=env or {})


@dataclass(frozen=True)
class Ours:
    """Our repository in a folder."""

    root: Path

    def repo(self, name: str, *arguments: object) -> dict[str, Any]:
        """Run `kubedeb repo` and return its document."""
        answer: dict[str, Any] = json.loads(command(KUBEDEB, "repo", name, "-r", self.root, *arguments, "--json").stdout)
        return answer

    def first(self, packages: Path) -> None:
        """Import and publish."""
        self.repo("init", "--origin", "bench")
        self.repo("add", "--suite", "bookworm", "--publish", packages)

    def one_more(self, package: Path) -> float:
        """Add one package and publish; return the seconds that the client's proof took."""
        done = self.repo("add", "--suite", "bookworm", "--publish", package)
        return float(done["published"]["seconds"]["proof"])

    def nothing(self) -> None:
        """Publish what is published."""
        self.repo("publish", "bookworm")


@dataclass(frozen=True)
class Aptly:
    """aptly, with a key of its own for gpg; signing is on, as it is in ours."""

    root: Path
    home: Path

    def aptly(self, *arguments: object) -> None:
        """Run aptly."""
        configuration = self.root / "aptly.conf"
        if not configuration.exists():
            self.root.mkdir(parents=True)
            configuration.write_text(json.dumps({"rootDir": str(self.root), "architectures": ["amd64"]}))
        command("aptly", f"-config={configuration}", *arguments, env={"GNUPGHOME": str(self.home)})

    def first(self, packages: Path) -> None:
        """Import and publish."""
        self.aptly("repo", "create", "-distribution=bookworm", "bench")
        self.aptly("repo", "add", "bench", packages)
        self.aptly("publish", "repo", "-batch", "-skip-contents", "-acquire-by-hash", "bench")

    def one_more(self, package: Path) -> None:
        """Add one package and publish."""
        self.aptly("repo", "add", "bench", package)
        self.nothing()

    def nothing(self) -> None:
        """Publish what is published."""
        self.aptly("publish", "update", "-batch", "-skip-contents", "bookworm")


@dataclass(frozen=True)
class Reprepro:
    """reprepro, which keeps one version of a package, writes gz alone and knows no by-hash."""

    root: Path
    home: Path

    def first(self, packages: Path) -> None:
        """Import and publish; one command, many files."""
        (self.root / "conf").mkdir(parents=True)
        (self.root / "conf/distributions").write_text(
            "Codename: bookworm\nArchitectures: amd64\nComponents: main\nSignWith: yes\nDebIndices: Packages Release . .gz\n"
        )
        files = sorted(packages.iterdir())
        for start in range(0, len(files), 20_000):
            self.one_more(*files[start : start + 20_000])

    def one_more(self, *packages: Path) -> None:
        """Add packages; reprepro publishes at once."""
        command("reprepro", "--silent", "-b", self.root, "includedeb", "bookworm", *packages, env={"GNUPGHOME": str(self.home)})


def peers_key(folder: Path) -> Path:
    """Make the key that the peers sign with, and return gpg's home."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    command(
        "gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-generate-key", "bench", "ed25519", "sign", "never"
    )
    return home


def install_peers() -> None:
    """Install aptly and reprepro where they are missing."""
    if missing := [name for name in ("aptly", "reprepro") if shutil.which(name) is None]:
        command("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing)


def _one_more(package: Path, ours: Ours, aptly: Aptly, reprepro: Reprepro) -> tuple[float, float, float, float]:
    """Return the seconds that one more package takes: ours without the proof, the proof, aptly, reprepro."""
    proofs: list[float] = []
    whole = timed(lambda: proofs.append(ours.one_more(package)))
    return whole - proofs[0], proofs[0], timed(lambda: aptly.one_more(package)), timed(lambda: reprepro.one_more(package))


def measured(count: int) -> list[Figure]:
    """Return the figures for a suite of `count` packages."""
    with tempfile.TemporaryDirectory(prefix="kubedeb-bench-") as name:
        folder = Path(name)
        packages, further = synthetic(folder / "in", count)
        home = peers_key(folder)
        try:
            ours, aptly, reprepro = Ours(folder / "ours"), Aptly(folder / "aptly", home), Reprepro(folder / "reprepro", home)
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            first = timed(lambda: ours.first(packages))
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            aptly_first, reprepro_first = timed(lambda: aptly.first(packages)), timed(lambda: reprepro.first(packages))
            rows = [_one_more(package, ours, aptly, reprepro) for package in further[:RUNS]]
            more, proof, aptly_more, reprepro_more = (statistics.median(column) for column in zip(*rows, strict=True))
            idle = statistics.median([timed(ours.nothing) for _ in range(RUNS)])
            aptly_idle = statistics.median([timed(aptly.nothing) for _ in range(RUNS)])
        finally:
            command("gpgconf", "--homedir", home, "--kill", "gpg-agent")
    label, large = f"{count:,} packages", count > SIZES[0]
    goal = min(aptly_more / 20, reprepro_more / 3) if large else min(aptly_more / 8, reprepro_more)
    found = [
        figure(f"{label}: import and publish, s; peer aptly", first, aptly_first, round(aptly_first, 3)),
        figure(f"{label}: import and publish, s; peer reprepro", first, aptly_first, round(reprepro_first, 3)),
        figure(f"{label}: add one and publish, without the proof, s; peer aptly", more, goal, round(aptly_more, 3)),
        figure(f"{label}: add one and publish, without the proof, s; peer reprepro", more, goal, round(reprepro_more, 3)),
        figure(f"{label}: the client's proof of that, s", proof, 60),
        figure(f"{label}: nothing to do, s; peer aptly", idle, 0.2, round(aptly_idle, 3)),
    ]
    if memory * 1024 > before:
        found.append(figure(f"{label}: most memory of a command of ours, MB", memory, 300))
    return found


def repo() -> list[Figure]:
    """Measure both sizes; KUBEDEB_BENCH_SIZES names others."""
    import os

    install_peers()
    sizes = [int(size) for size in os.environ.get("KUBEDEB_BENCH_SIZES", "").split()] or list(SIZES)
    return [found for size in sizes for found in measured(size)]
