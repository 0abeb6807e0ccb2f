"""The peers of `script/bench build`: other builders of the same source package, set up as their users tune them, timed warm.

Everything they need is installed and made below one folder, and taken away again; a peer that this machine cannot run is
named with what it said. What a peer runs is data, so that the JSON tells the commands that were timed.
"""

from __future__ import annotations

import shlex
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import ProcessError, run

SUITE = "bookworm"
USER = "kubedeb-bench"
CHROOT = "kubedeb-bench"
SCHROOT_FILE = Path("/etc/schroot/chroot.d/kubedeb-bench")
PACKAGES = (
    "build-essential", "cowbuilder", "debhelper", "debootstrap", "dpkg-dev", "fakeroot", "mmdebstrap", "pbuilder", "sbuild",
    "schroot", "uidmap",
)  # fmt: skip
SKIPPED_BY_OURS = "resolves no build dependencies against the .dsc at build time (the lock did) and runs no apt update"
Argv = Sequence[str | Path]
Commands = Sequence[Argv]


@dataclass(frozen=True)
class Peer:
    """A builder: `prepare` returns what makes its root (not timed), `build` what builds the .dsc in a folder (timed)."""

    name: str
    version: Sequence[str]
    configuration: str
    prepare: Callable[[Bench], Commands]
    build: Callable[[Bench, Path], Commands]
    skips: str = ""
    runs: int = 5


@dataclass(frozen=True)
class Bench:
    """The bench: its folder, and the source package that all build."""

    work: Path
    dsc: Path

    @property
    def entry(self) -> str:
        """Return where the machine itself takes the suite from, for tools that want one address."""
        text = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"], code=ExitCode.BUG).text
        rows = (line.split() for line in text.splitlines())
        return next(row[0] for row in rows if row[1:] == [SUITE, "main"])


@contextmanager
def bench(work: Path, dsc: Path) -> Iterator[Bench]:
    """Give a bench with the peers installed; its user, roots and configuration are removed afterwards."""
    shell(["apt-get", "update", "-qq"])
    shell(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], env={"DEBIAN_FRONTEND": "noninteractive"})
    work.mkdir(parents=True, mode=0o755)
    run(["useradd", "--create-home", "--home-dir", work / "home", "--groups", "sbuild", USER], code=ExitCode.BUG, ok=(0, 9))
    try:
        yield Bench(work, dsc)
    finally:
        SCHROOT_FILE.unlink(missing_ok=True)
        run(["userdel", "--remove", USER], code=ExitCode.BUG, ok=(0, 6, 12))
        shutil.rmtree(work, ignore_errors=True)


def shell(argv: Argv, *, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run a command of a peer to its end. Raises `ProcessError`."""
    run(argv, code=ExitCode.BUG, cwd=cwd, env=env, timeout=900)


def as_user(on: Bench, argv: Argv) -> Argv:
    """Return what runs a command as the bench's own user, with that user's home."""
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "env", f"HOME={on.work / 'home'}",
            f"USER={USER}", f"LOGNAME={USER}", *argv]  # fmt: skip


def own(path: Path) -> Argv:
    """Return what gives a folder to the bench's user."""
    return ["chown", "--recursive", f"{USER}:{USER}", path]


def mmdebstrap(target: Path, include: str, *more: str) -> Argv:
    """Return what makes a buildd root with the machine's own sources."""
    options = run(["apt-config", "dump"], code=ExitCode.BUG).text.splitlines()
    carried = [f"--aptopt={line}" for line in options if line.startswith("Acquire::http::Proxy ")]
    sources = [path for path in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")) if path.is_file()]
    chosen = [f"--include={include}"] if include else []
    return ["mmdebstrap", "--variant=buildd", *chosen, *carried, *more, SUITE, target, *sources]


def _bare_build(on: Bench, _: Path) -> Commands:
    build = "cd tree && exec dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes"
    return [["dpkg-source", "--extract", on.dsc, "tree"], ["sh", "-c", build]]


def _nothing(_: Bench) -> Commands:
    return ()


def _schroot_prepare(on: Bench) -> Commands:
    root = on.work / "schroot"
    SCHROOT_FILE.write_text(
        f"[{CHROOT}]\ntype=directory\ndirectory={root}\nunion-type=overlay\nprofile=sbuild\n"
        f"groups=root,sbuild\nroot-groups=root,sbuild\n"
    )
    return [mmdebstrap(root, "debhelper,fakeroot", "--skip=cleanup/apt/lists")]


def _schroot_build(on: Bench, _: Path) -> Commands:
    return [as_user(on, ["sbuild", "--chroot-mode=schroot", f"--chroot={CHROOT}", f"--dist={SUITE}", "--no-apt-update",
                         "--no-apt-upgrade", "--no-apt-distupgrade", "--no-run-lintian", "--nolog", on.dsc])]  # fmt: skip


def _unshare_prepare(on: Bench) -> Commands:
    cache = on.work / "home/.cache/sbuild"
    cache.mkdir(parents=True, exist_ok=True)
    return [mmdebstrap(cache / f"{SUITE}-amd64.tar", ""), own(on.work / "home")]


def _unshare_build(on: Bench, _: Path) -> Commands:
    return [as_user(on, ["sbuild", "--chroot-mode=unshare", f"--dist={SUITE}", "--no-run-lintian", "--nolog", on.dsc])]


def _pbuilder_prepare(on: Bench) -> Commands:
    base: list[str | Path] = ["--basetgz", on.work / "base.tgz", "--distribution", SUITE, "--mirror", on.entry]
    return [["pbuilder", "create", *base, *_places(on)]]


def _pbuilder_build(on: Bench, out: Path) -> Commands:
    return [["pbuilder", "build", "--basetgz", on.work / "base.tgz", "--buildresult", out, *_places(on), on.dsc]]


def _cow_prepare(on: Bench) -> Commands:
    return [mmdebstrap(on.work / "base.cow", "debhelper,fakeroot,aptitude,cowdancer", "--skip=cleanup/apt/lists")]


def _cow_build(on: Bench, out: Path) -> Commands:
    return [["cowbuilder", "build", "--basepath", on.work / "base.cow", "--buildresult", out, *_places(on), on.dsc]]


def _places(on: Bench) -> list[str | Path]:
    """Return the options that keep pbuilder and cowbuilder below the bench's folder, whatever the machine's own settings."""
    (on.work / "pbuilderrc").touch()
    folders = [_made(on.work / "place"), _made(on.work / "aptcache")]
    return ["--buildplace", folders[0], "--aptcache", folders[1], "--configfile", on.work / "pbuilderrc"]


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


BARE = Peer(
    "dpkg-buildpackage on the host", ["dpkg-buildpackage", "--version"], "no isolation; debhelper on the host", _nothing,
    _bare_build, "no clean root, no network switch, no record",
)  # fmt: skip
PEERS = (
    Peer("sbuild, schroot overlay", ["sbuild", "--version"],
         "buildd root with debhelper, fakeroot and apt lists in a directory; overlay; no apt update, no lintian, no log",
         _schroot_prepare, _schroot_build, "network stays on"),
    Peer("cowbuilder", ["dpkg-query", "-W", "cowbuilder"],
         "buildd root with debhelper, fakeroot and aptitude", _cow_prepare, _cow_build),
    Peer("sbuild, its default", ["sbuild", "--version"], "unshare mode, plain buildd tar; no lintian", _unshare_prepare,
         _unshare_build, runs=3),
    Peer("pbuilder, its default", ["dpkg-query", "-W", "pbuilder"], "base.tgz made by pbuilder create; aptcache warm",
         _pbuilder_prepare, _pbuilder_build, runs=3),
)  # fmt: skip


def time_builds(on: Bench, peer: Peer) -> dict[str, Any]:
    """Return a peer's median of warm builds in seconds, with what it is, runs and does not do; or why it could not run."""
    about = {"peer": peer.name, "version": _first_line(peer.version), "configuration": peer.configuration,
             "commands": [shlex.join(map(str, argv)) for argv in peer.build(on, _out(on))],
             "peer_skips": peer.skips, "runs": peer.runs}  # fmt: skip
    try:
        for argv in peer.prepare(on):
            shell(argv)
        _timed(on, peer)
        return {**about, "seconds": round(statistics.median(_timed(on, peer) for _ in range(peer.runs)), 3)}
    except ProcessError as error:
        return {**about, "not_run": (error.details.splitlines() or [error.brief])[-1]}


def _out(on: Bench) -> Path:
    return on.work / "out"


def _timed(on: Bench, peer: Peer) -> float:
    out = _out(on)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    shell(own(out))
    began = time.perf_counter()
    for argv in peer.build(on, out):
        shell(argv, cwd=out)
    took = time.perf_counter() - began
    if not list(out.rglob("*.deb")):
        raise KubedebError(f"{peer.name} made no package", code=ExitCode.BUG)
    return took


def _first_line(argv: Sequence[str]) -> str:
    return (run(argv, code=ExitCode.BUG, ok=(0, 1)).text.splitlines() or [""])[0]
