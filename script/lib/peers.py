"""The peers of `script/bench build`: other builders of the same source package, set up as their users tune them, timed warm.

Everything they need is installed and made below one folder, and taken away again; a peer that this machine cannot run is
named with what it said.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Peer:
    """A builder: `prepare` makes its root (not timed), `build` builds the .dsc into a folder; the rest is told in the JSON."""

    name: str
    version: Sequence[str]
    configuration: str
    prepare: Callable[[Bench], None]
    build: Callable[[Bench, Path], None]
    skips: str = ""


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


def shell(argv: Sequence[str | Path], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run a command of a peer to its end. Raises `ProcessError`."""
    run(argv, code=ExitCode.BUG, cwd=cwd, env=env, timeout=900)


def as_user(argv: Sequence[str | Path], *, cwd: Path) -> None:
    """Run a command as the bench's own user, with that user's home."""
    home = run(["getent", "passwd", USER], code=ExitCode.BUG).text.split(":")[5]
    shell(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "env", f"HOME={home}", f"USER={USER}",
           f"LOGNAME={USER}", *argv], cwd=cwd)  # fmt: skip


def own(path: Path) -> None:
    """Give a folder to the bench's user."""
    shell(["chown", "--recursive", f"{USER}:{USER}", path])


def mmdebstrap(target: Path, include: str, *more: str) -> None:
    """Make a buildd root with the machine's own sources."""
    options = run(["apt-config", "dump"], code=ExitCode.BUG).text.splitlines()
    carried = [f"--aptopt={line}" for line in options if line.startswith("Acquire::http::Proxy ")]
    sources = [path for path in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")) if path.is_file()]
    chosen = [f"--include={include}"] if include else []
    shell(["mmdebstrap", "--variant=buildd", *chosen, *carried, *more, SUITE, target, *sources])


def _bare_build(on: Bench, out: Path) -> None:
    shell(["dpkg-source", "--extract", on.dsc, out / "tree"])
    shell(["dpkg-buildpackage", "--build=binary", "--unsigned-source", "--unsigned-changes"], cwd=out / "tree")


def _nothing(_: Bench) -> None:
    return


def _schroot_prepare(on: Bench) -> None:
    root = on.work / "schroot"
    mmdebstrap(root, "debhelper,fakeroot", "--skip=cleanup/apt/lists")
    SCHROOT_FILE.write_text(
        f"[{CHROOT}]\ntype=directory\ndirectory={root}\nunion-type=overlay\nprofile=sbuild\n"
        f"groups=root,sbuild\nroot-groups=root,sbuild\n"
    )


def _schroot_build(on: Bench, out: Path) -> None:
    own(out)
    as_user(["sbuild", "--chroot-mode=schroot", f"--chroot={CHROOT}", f"--dist={SUITE}", "--no-apt-update", "--no-apt-upgrade",
             "--no-apt-distupgrade", "--no-run-lintian", "--nolog", on.dsc], cwd=out)  # fmt: skip


def _unshare_prepare(on: Bench) -> None:
    cache = on.work / "home/.cache/sbuild"
    cache.mkdir(parents=True, exist_ok=True)
    mmdebstrap(cache / f"{SUITE}-amd64.tar", "")
    own(on.work / "home")


def _unshare_build(on: Bench, out: Path) -> None:
    own(out)
    as_user(["sbuild", "--chroot-mode=unshare", f"--dist={SUITE}", "--no-run-lintian", "--nolog", on.dsc], cwd=out)


def _pbuilder_prepare(on: Bench) -> None:
    base: list[str | Path] = ["--basetgz", on.work / "base.tgz", "--distribution", SUITE, "--mirror", on.entry]
    shell(["pbuilder", "create", *base, *_places(on)])


def _pbuilder_build(on: Bench, out: Path) -> None:
    shell(["pbuilder", "build", "--basetgz", on.work / "base.tgz", "--buildresult", out, *_places(on), on.dsc])


def _cow_prepare(on: Bench) -> None:
    mmdebstrap(on.work / "base.cow", "debhelper,fakeroot,aptitude,cowdancer", "--skip=cleanup/apt/lists")


def _cow_build(on: Bench, out: Path) -> None:
    shell(["cowbuilder", "build", "--basepath", on.work / "base.cow", "--buildresult", out, *_places(on), on.dsc])


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
         _unshare_build),
    Peer("pbuilder, its default", ["dpkg-query", "-W", "pbuilder"], "base.tgz made by pbuilder create; aptcache warm",
         _pbuilder_prepare, _pbuilder_build),
)  # fmt: skip


def time_builds(on: Bench, peer: Peer, runs: int) -> dict[str, Any]:
    """Return a peer's median of `runs` warm builds in seconds, with what it is and does not do; or why it could not run."""
    about = {"peer": peer.name, "version": _first_line(peer.version), "configuration": peer.configuration,
             "peer_skips": peer.skips}  # fmt: skip
    try:
        peer.prepare(on)
        _timed(on, peer)
        return {**about, "seconds": round(statistics.median(_timed(on, peer) for _ in range(runs)), 3)}
    except ProcessError as error:
        return {**about, "not_run": error.details.splitlines()[-1] if error.details else error.brief}


def _timed(on: Bench, peer: Peer) -> float:
    out = on.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    began = time.perf_counter()
    peer.build(on, out)
    took = time.perf_counter() - began
    if not list(out.rglob("*.deb")):
        raise KubedebError(f"{peer.name} made no package", code=ExitCode.BUG)
    return took


def _first_line(argv: Sequence[str]) -> str:
    return (run(argv, code=ExitCode.BUG, ok=(0, 1)).text.splitlines() or [""])[0]
