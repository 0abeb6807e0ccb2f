"""`script/bench repo`: our repository beside aptly and reprepro, with the same synthetic packages, in one run.

Ours is timed with the client's proof on; the proof's share is what `--json` says of it and stands apart. aptly and reprepro
prove nothing. Contents are off in all three, and on in one figure. Every figure is a median of five but the first import of
100,000 packages and what is said to be once. The tools take turns, so that what else the machine does hits them alike.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode
from kubedeb.process import run
from script.lib.measure import KUBEDEB, Figure, figure
from script.lib.traffic import bytes_of_update

RUNS = 5
SIZES = (10_000, 100_000)
MORE = "Section: net\nPriority: optional\nDepends: libc6 (>= 2.36), adduser\nHomepage: https://example.org/\n"
SECONDS = 3600


def synthetic(folder: Path, count: int) -> tuple[Path, list[Path]]:
    """Write `count` packages of one version, and RUNS + 2 further versions of one; return the folder and those."""
    from debs import control, deb

    many = folder / "packages"
    many.mkdir(parents=True)
    for number in range(count):
        name = f"package-{number:06}"
        text = control(name, "1.0-1", more=MORE)
        (many / f"{name}_1.0-1_amd64.deb").write_bytes(deb(text, form=".gz", data={f"./{name}": name.encode()}))
    name, further = f"package-{count // 2:06}", []
    for version in range(2, 2 + RUNS + 2):
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


# Runs a command and adds what it needed most of memory, with all that it started, in KiB, to what it printed on stderr.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


@dataclass(frozen=True)
class Ours:
    """Our repository in a folder, with the suites `bookworm` and `production`."""

    root: Path

    def repo(self, name: str, *arguments: object) -> dict[str, Any]:
        """Run `kubedeb repo` and return its document."""
        answer: dict[str, Any] = json.loads(command(KUBEDEB, "repo", name, "-r", self.root, *arguments, "--json").stdout)
        return answer

    def make(self) -> None:
        """Make the repository, with its key."""
        self.repo("init", "--origin", "bench", "--suite", "bookworm", "--suite", "production")

    def first(self, packages: Path) -> tuple[float, float]:
        """Import and publish; return the most memory that it needed, in MB, and the seconds that the client's proof took."""
        add = [KUBEDEB, "repo", "add", "-r", self.root, "--suite", "bookworm", "--publish", packages, "--json"]
        done = command(sys.executable, "-c", PEAK, *add)
        proof = json.loads(done.stdout)["published"]["seconds"]["proof"]
        return int(done.stderr.decode().split()[-1]) / 1024, float(proof)

    def one_more(self, package: Path) -> float:
        """Add one package and publish; return the seconds that the client's proof took."""
        done = self.repo("add", "--suite", "bookworm", "--publish", package)
        return float(done["published"]["seconds"]["proof"])

    def nothing(self) -> None:
        """Publish what is published."""
        self.repo("publish", "bookworm")

    def with_contents(self) -> None:
        """Let bookworm list what packages lay down."""
        self.repo("init", "--origin", "bench", "--suite", "bookworm", "--contents")

    def promote(self) -> float:
        """Let production serve what bookworm serves; return the seconds that the client's proof took."""
        return float(self.repo("promote", "bookworm", "production", "--yes")["seconds"]["proof"])

    def rollback(self) -> float:
        """Let production go back; return the seconds that the client's proof took."""
        return float(self.repo("rollback", "production", "--yes")["seconds"]["proof"])

    def files(self) -> dict[str, tuple[int, int]]:
        """Return size and time of change of every file."""
        found = ((path, path.stat()) for path in self.root.rglob("*") if path.is_file())
        return {str(path): (status.st_size, status.st_mtime_ns) for path, status in found}


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

    def one_more_with_contents(self, package: Path) -> None:
        """Add one package and publish, with what packages lay down."""
        self.aptly("repo", "add", "bench", package)
        self.aptly("publish", "update", "-batch", "-skip-contents=false", "bookworm")


@dataclass(frozen=True)
class Reprepro:
    """reprepro, which keeps one version of a package, writes gz alone and knows no by-hash."""

    root: Path
    home: Path

    def first(self, packages: Path, env: dict[str, str]) -> None:
        """Import and publish; one command, many files."""
        (self.root / "conf").mkdir(parents=True)
        (self.root / "conf/distributions").write_text(
            "Codename: bookworm\nArchitectures: amd64\nComponents: main\nSignWith: yes\nDebIndices: Packages Release . .gz\n"
        )
        files = sorted(packages.iterdir())
        for start in range(0, len(files), 20_000):
            self._include(files[start : start + 20_000], env)

    def one_more(self, package: Path) -> None:
        """Add a package; reprepro publishes at once."""
        self._include([package], {})

    def _include(self, packages: list[Path], env: dict[str, str]) -> None:
        home = {"GNUPGHOME": str(self.home)}
        command("reprepro", "--silent", "-b", self.root, "includedeb", "bookworm", *packages, env=home | env)


def peers_key(folder: Path) -> Path:
    """Make the key that the peers sign with, and return gpg's home."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    command(
        "gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-generate-key", "bench", "ed25519", "sign", "never"
    )
    (home / "public.gpg").write_bytes(command("gpg", "--homedir", home, "--batch", "--export", "bench").stdout)
    return home


def install_peers() -> None:
    """Install aptly, reprepro and eatmydata where they are missing."""
    if missing := [name for name in ("aptly", "reprepro", "eatmydata") if shutil.which(name) is None]:
        command("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing)


# reprepro syncs every package: 100,000 would take it an hour. That import is not measured, it only makes the place.
UNSYNCED = {"LD_PRELOAD": "libeatmydata.so"}


@dataclass(frozen=True)
class Places:
    """Three repositories with the same packages, made in a folder of their own."""

    ours: Ours
    aptly: Aptly
    reprepro: Reprepro

    @classmethod
    def below(cls, folder: Path, home: Path) -> Places:
        """Return places that are not made yet."""
        return cls(Ours(folder / "ours"), Aptly(folder / "aptly", home), Reprepro(folder / "reprepro", home))


def without_proof(action: Callable[[], float]) -> tuple[float, float]:
    """Return the seconds that something of ours takes without the client's proof, and those of the proof."""
    proofs: list[float] = []
    whole = timed(lambda: proofs.append(action()))
    return whole - proofs[0], proofs[0]


# It writes bz2 where we write xz. Making a key and the client's proof are in neither's seconds.
SKIPPED_BY_APTLY = "making durable what it writes, reading what packages unpack"


def imported(label: str, folder: Path, home: Path, packages: Path, runs: int) -> tuple[Places, list[Figure]]:
    """Import all packages `runs` times with each tool, in turns, and return the last places and the figures.

    Nothing is removed between: ext4 passes over every inode that was freed in the last minutes when it looks for a free one,
    which makes whoever comes next four times as slow.
    """
    ours, aptly, reprepro = [], [], []
    memory: list[float] = []
    for number in range(runs):
        places = Places.below(folder / str(number), home)
        places.ours.make()
        ours.append(without_proof(partial(_first, places, packages, memory))[0])
        aptly.append(timed(partial(places.aptly.first, packages)))
    # Of so many, reprepro's import only makes the place.
    alone = runs == 1
    reprepro.append(timed(lambda: places.reprepro.first(packages, UNSYNCED if alone else {})))
    first, peer = statistics.median(ours), statistics.median(aptly)
    what = f"{label}: import and publish, without the proof, s; peer"
    return places, [
        figure(f"{what} aptly", first, peer, round(peer, 3)) | {"peer_skips": SKIPPED_BY_APTLY},
        *([] if alone else [figure(f"{what} reprepro", first, peer, round(reprepro[0], 3))]),
        figure(f"{label}: most memory of that, MB", max(memory), 300),
    ]


def _first(places: Places, packages: Path, memory: list[float]) -> float:
    peak, proof = places.ours.first(packages)
    memory.append(peak)
    return proof


def changed(label: str, places: Places, further: list[Path], *, large: bool) -> tuple[float, list[Figure]]:
    """Add one package after the other with each tool, in turns, and promote each; return our seconds and all figures."""
    ours, aptly, reprepro = places.ours, places.aptly, places.reprepro
    ours.repo("publish", "production", "bookworm")
    rows = []
    for package in further[:RUNS]:
        row = without_proof(partial(ours.one_more, package))
        peers = timed(partial(aptly.one_more, package)), timed(partial(reprepro.one_more, package))
        rows.append((*row, *peers, without_proof(ours.promote)[0], without_proof(ours.rollback)[0]))
    more, proof, by_aptly, by_reprepro, promote, rollback = (statistics.median(column) for column in zip(*rows, strict=True))
    times = (20, 3) if large else (8, 1)
    one = f"{label}: add one and publish, without the proof, s"
    return more, [
        figure(f"{one}; peer aptly", more, round(by_aptly / times[0], 3), round(by_aptly, 3)),
        figure(f"{one}; peer reprepro", more, round(by_reprepro / times[1], 3), round(by_reprepro, 3)),
        figure(f"{label}: the client's proof of that, s", proof, 60),
        figure(f"{label}: promote, without the proof, s", promote, 0.4),
        figure(f"{label}: rollback, without the proof, s", rollback, 0.4),
    ]


def listing(label: str, places: Places, further: list[Path]) -> list[Figure]:
    """Add one package where Contents are on, after a publish that has made them; the proof is not counted."""
    places.ours.with_contents()
    places.ours.one_more(further[0])
    places.aptly.one_more_with_contents(further[0])
    ours, _ = without_proof(partial(places.ours.one_more, further[1]))
    aptly = timed(partial(places.aptly.one_more_with_contents, further[1]))
    return [figure(f"{label}: add one and publish with Contents, once, s; peer aptly", ours, round(aptly, 3), round(aptly, 3))]


def unchanged(label: str, places: Places) -> list[Figure]:
    """Publish what is published, and let a new client read it."""
    before = places.ours.files()
    idle = statistics.median([timed(places.ours.nothing) for _ in range(RUNS)])
    after = places.ours.files()
    written = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    sent = bytes_of_update(places.ours.root / "public", places.ours.root / "keyring.gpg")
    by_aptly = bytes_of_update(places.aptly.root / "public", places.aptly.home / "public.gpg")
    return [
        figure(f"{label}: nothing to do, s", idle, 0.2),
        figure(f"{label}: files that nothing to do writes", len(written), 0),
        figure(f"{label}: bytes of a new client's update; peer aptly", sent, by_aptly, by_aptly),
    ]


def measured(count: int) -> tuple[float, list[Figure]]:
    """Return our seconds to add one package to a suite of `count`, and all figures."""
    with tempfile.TemporaryDirectory(prefix="kubedeb-bench-") as name:
        folder = Path(name)
        label, large = f"{count:,} packages", count > SIZES[0]
        packages, further = synthetic(folder / "in", count)
        home = peers_key(folder)
        try:
            places, figures = imported(label, folder, home, packages, 1 if large else RUNS)
            more, changes = changed(label, places, further, large=large)
            still = unchanged(label, places)
            return more, [*figures, *changes, *still, *([] if large else listing(label, places, further[RUNS:]))]
        finally:
            command("gpgconf", "--homedir", home, "--kill", "gpg-agent")


def repo() -> list[Figure]:
    """Measure both sizes; KUBEDEB_BENCH_SIZES names others."""
    import os

    install_peers()
    sizes = [int(size) for size in os.environ.get("KUBEDEB_BENCH_SIZES", "").split()] or list(SIZES)
    found = [measured(size) for size in sizes]
    figures = [one for _, some in found for one in some]
    if len(found) > 1:
        small, large = found[0][0], found[-1][0]
        figures.append(figure(f"add one and publish: {sizes[-1]:,} packages for {sizes[0]:,}, times as long", large / small, 3))
    return figures
