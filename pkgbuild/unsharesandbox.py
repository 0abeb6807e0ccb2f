"""The unshare sandbox: an overlay on an unpacked root in namespaces of its own; no daemon, and no root either.

Each command enters anew and finds what the ones before it left in the overlay's upper folder. Another user than root lives in
a user namespace, whose ids come from /etc/subuid through newuidmap.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK
from kubedeb.process import ANY_STATUS, ProcessError, Result, interactive, run
from pkgbuild.memorygroup import MemoryGroup, memory_group
from pkgbuild.sandbox import PLAIN, TIME_LIMIT, Bind, Surroundings, command, shell_command

ENTER = Path(__file__).with_name("enter.sh")
EXCHANGE = "/run/kubedeb"
REFUSED = "enter: "
REFUSED_STATUS = 125
# What unshare (util-linux 2.38) says when its child was killed, for want of memory say: it stumbles over SIGKILL's own mask.
CHILD_KILLED = "unshare: sigprocmask unblock failed"
# Whoever is root inside and keeps the rights of it may try packages out; a build needs and gets none of them.
DROPPED = ("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")
# The kernel forgets `--kill-child` of a process that takes another user (prctl(2), PR_SET_PDEATHSIG), so it is told again.
DIES_WITH_PARENT = ("--pdeathsig", "KILL")


def mapped(uid: int) -> list[str]:
    """Return unshare's options for a user namespace in which a user is root and has many ids; root needs none."""
    return [] if uid == 0 else ["--map-auto", "--map-root-user"]


def with_ids(argv: Sequence[str | Path]) -> list[str | Path]:
    """Return a command of ours that may touch files of ids that only the user namespace knows."""
    options = mapped(os.getuid())
    return ["unshare", *options, *argv] if options else list(argv)


def namespaces(uid: int) -> list[str]:
    """Return the command that makes the namespaces for a user; whatever runs in them dies with kubedeb."""
    return [
        "setpriv", *DIES_WITH_PARENT, "unshare", *mapped(uid), "--mount", "--pid", "--fork", "--kill-child", "--net",
        "--uts", "--ipc", "--propagation", "private",
    ]  # fmt: skip


def overlay_option(uid: int) -> str:
    """Return what overlayfs needs besides: in a user namespace it may only keep its notes in `user.` attributes."""
    return "" if uid == 0 else ",userxattr"


@contextmanager
def unshare_sandbox(
    lower: Sequence[Path], where: Path, surroundings: Surroundings = PLAIN, binds: Sequence[Bind] = ()
) -> Iterator[UnshareSandbox]:
    """Give a sandbox over the folders `lower`, the topmost first; its own changes lie in a new folder below `where`.

    Raises `KubedebError`: SANDBOX when the kernel refuses, a memory limit too, BUILD_STORAGE when the disk is full.
    """
    with memory_group(surroundings.memory) if surroundings.memory else nullcontext() as group, _work_folder(where) as work:
        sandbox = UnshareSandbox(lower, work, surroundings, binds, group)
        sandbox.make_build_root()
        yield sandbox


@contextmanager
def _work_folder(where: Path) -> Iterator[Path]:
    """Give a folder for what the overlay needs; it is gone afterwards, with files of whatever ids."""
    with storage_errors(str(where), ExitCode.BUILD_STORAGE):
        where.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=where, prefix=".sandbox-"))
        for name in ("upper", "work", "root", "exchange"):
            (work / name).mkdir(mode=0o700 if name == "exchange" else 0o755)
        work.chmod(0o755)
    try:
        yield work
    finally:
        remove_tree(work)


class UnshareSandbox:
    """An open sandbox; made by `unshare_sandbox`."""

    def __init__(
        self, lower: Sequence[Path], work: Path, surroundings: Surroundings, binds: Sequence[Bind],
        group: MemoryGroup | None = None,
    ) -> None:  # fmt: skip
        self._limited = group.entering() if group else []
        self._count = [group.bind()] if group else []
        self._lower = ":".join(str(folder) for folder in lower)
        self._work = work
        self._binds = tuple(binds)
        self._running = 0
        self._stopped = False
        self.surroundings = surroundings

    @property
    def changes(self) -> Path:
        """Return the folder with what has changed below the root; a layer, when it is kept."""
        return self._work / "upper"

    def make_build_root(self) -> None:
        """Make the folder that sources are unpacked below, unless it is the root's own."""
        if (self.surroundings.build_root, self.surroundings.user) == (PLAIN.build_root, PLAIN.user):
            return
        owner = [f"--owner={self.surroundings.user}", f"--group={self.surroundings.user}"]
        self.as_root(["install", "--directory", "--mode=0755", *owner, self.surroundings.build_root])

    def put(self, tree: IO[bytes]) -> None:
        """Unpack a tar stream below the build root, owners as in the stream; tar reads the file itself."""
        below = self.surroundings.build_root
        with storage_errors(str(self._work), ExitCode.BUILD_STORAGE):
            try:
                self.as_root(["tar", "--extract", "--numeric-owner", "--file=-", f"--directory={below}"], stdin=tree)
            except ProcessError as error:
                full = os.strerror(errno.ENOSPC)
                if full not in error.details:
                    raise
                raise OSError(errno.ENOSPC, full) from error

    def run(self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], log: IO[bytes], timeout: float = TIME_LIMIT) -> int:
        """Run a command; see `Sandbox.run`."""
        words = [*self._as_builder(), *command(self.surroundings, env, argv, cwd)]
        try:
            return self._enter(words, [*self._binds, *self._count], log, timeout).status
        except ProcessError as error:
            if error.code is ExitCode.SANDBOX:
                raise
            raise KubedebError(f"{argv[0]} did not end within {timeout:g} s", code=ExitCode.BUILD) from error

    def shell(self, *, cwd: str, env: Mapping[str, str]) -> None:
        """Give the terminal to a shell; see `Sandbox.shell`."""
        words = [*self._as_builder(), *shell_command(self.surroundings, env, cwd)]
        interactive(self._entering(words, self._binds), code=ExitCode.SANDBOX)

    def _as_builder(self) -> list[str]:
        user = str(self.surroundings.user)
        dropped = DROPPED if self.surroundings.user else ()
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *DIES_WITH_PARENT, *dropped]

    def get(self, path: str, target: Path) -> None:
        """Copy one file out; see `Sandbox.get`."""
        if self.peek(path, target):
            return
        out = self._work / "exchange/out"
        copy = ["sh", "-c", 'test -e "$1" || exit 3; test -f "$1" -a ! -L "$1" || exit 4; cp -- "$1" "$2"', "sh"]
        status = self.as_root([*copy, path, f"{EXCHANGE}/out"], ok=(0, 3, 4))
        if status:
            what = {3: f"the build made no {path}", 4: f"{path} is no regular file"}
            raise KubedebError(what[status], code=ExitCode.BUILD)
        with storage_errors(str(target), ExitCode.BUILD_STORAGE):
            shutil.move(out, target)
            target.chmod(0o644)

    def peek(self, path: str, target: Path) -> bool:
        """Copy one file out; see `Sandbox.peek`. What the build wrote lies in the upper folder, where nobody needs to enter."""
        try:
            descriptor = open_below(self.changes, path)
        except OSError:  # of the root itself, not for everybody to read, behind a link
            return False
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return False
        # There is no path: what is open is a descriptor.
        with open(descriptor, "rb") as stream, storage_errors(str(target), ExitCode.BUILD_STORAGE), target.open("wb") as out:  # noqa: PTH123
            shutil.copyfileobj(stream, out, CHUNK)
            os.fchmod(out.fileno(), 0o644)
        return True

    def stop(self) -> None:
        """End whatever runs in it, at once, and what would be begun; see `Sandbox.stop`."""
        self._stopped = True
        self._kill()

    def _kill(self) -> None:
        if self._running:
            with suppress(ProcessLookupError):
                os.killpg(self._running, signal.SIGKILL)

    def as_root(
        self, argv: Sequence[str], *, ok: Sequence[int] = (0,), binds: Sequence[Bind] = (), stdin: IO[bytes] | None = None
    ) -> int:
        """Run a command of ours as the root of the sandbox, and return its status. Raises `KubedebError` (SANDBOX)."""
        words = command(Surroundings(user=0), {"DEBIAN_FRONTEND": "noninteractive"}, argv, "/")
        seen = [Bind(self._work / "exchange", EXCHANGE, writable=True), *self._binds, *binds]
        done = self._enter(words, seen, None, 600, stdin)
        if done.status not in ok:
            raise ProcessError(f"{argv[0]} failed in the sandbox with exit status {done.status}", done, code=ExitCode.SANDBOX)
        return done.status

    def _note(self, process: int) -> None:
        self._running = process
        if self._stopped:  # between two commands, or while this one was begun
            self._kill()

    def _entering(self, words: Sequence[str], binds: Sequence[Bind]) -> list[str | Path]:
        uid = os.getuid()
        seen = [word for bind in binds for word in ("rw" if bind.writable else "ro", str(bind.source), bind.target)]
        setting: list[str | Path] = [self._work, self._lower, overlay_option(uid), self.surroundings.hostname, *seen, "--"]
        return [*self._limited, *namespaces(uid), "sh", ENTER, *setting, *words]

    def _enter(
        self, words: Sequence[str], binds: Sequence[Bind], log: IO[bytes] | None, timeout: float, stdin: IO[bytes] | None = None
    ) -> Result:
        uid = os.getuid()
        argv = self._entering(words, binds)
        done = run(
            argv, code=ExitCode.BUILD, ok=ANY_STATUS, timeout=timeout, log=log, announce=False, started=self._note, stdin=stdin
        )
        self._running = 0
        said = done.stderr.decode(errors="replace").strip()
        if done.status == REFUSED_STATUS and (last := said.rpartition("\n")[2]).startswith(REFUSED):
            raise refused(last.removeprefix(REFUSED), done)
        if done.status and said.startswith(CHILD_KILLED):
            return replace(done, status=128 + signal.SIGKILL)
        if done.status and said.startswith(("unshare:", "newuidmap:", "setpriv: ")):
            raise refused(missing(said, uid), done)
        return done


def open_below(folder: Path, path: str) -> int:
    """Open a file below a folder and return its descriptor; no link is followed, which would lead out. Raises `OSError`."""
    *above, name = [part for part in path.split("/") if part]
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in above:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    finally:
        os.close(here)


def missing(said: str, uid: int) -> str:
    """Return in words what a user namespace lacks here, from what unshare or newuidmap said; pure."""
    if "newuidmap" in said or "subuid" in said or "failed to find" in said:
        return f"uid {uid} has no range in /etc/subuid and /etc/subgid, or newuidmap is not installed (package uidmap)"
    if "Operation not permitted" in said:
        return (
            "the kernel refuses user namespaces to ordinary users (kernel.unprivileged_userns_clone, user.max_user_namespaces "
            "or AppArmor's kernel.apparmor_restrict_unprivileged_userns)"
        )
    if "No space left" in said:
        return "no further user namespace may be made (user.max_user_namespaces)"
    return said.partition("\n")[0]


def why_no_ids() -> str:
    """Return why this user has no user namespace with many ids here, empty when there is one; root needs none."""
    uid = os.getuid()
    if uid == 0:
        return ""
    done = run(with_ids(["true"]), code=ExitCode.SANDBOX, ok=ANY_STATUS, timeout=60)
    return missing(done.stderr.decode(errors="replace").strip(), uid) if done.status else ""


def refused(why: str, done: Result) -> KubedebError:
    """Return the error for a machine that cannot run the unshare sandbox."""
    return KubedebError(
        f"the unshare sandbox cannot be used: {why}", details=done.stderr.decode(errors="replace").strip(),
        hint="Mend that, or build in docker: --sandbox docker", code=ExitCode.SANDBOX,
    )  # fmt: skip


def remove_tree(folder: Path) -> None:
    """Remove a folder, with files of ids that only the user namespace knows too."""
    shutil.rmtree(folder, ignore_errors=True)
    if os.getuid() != 0 and folder.exists():
        run(with_ids(["rm", "-rf", folder]), code=ExitCode.SANDBOX, ok=range(256), timeout=600)
