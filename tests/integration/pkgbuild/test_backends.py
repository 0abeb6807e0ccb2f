"""Both kinds of sandbox: what may be seen inside, the same bytes from both, and unshare without any right of its own."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import kindsamples
import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import PATH
from kubedeb.process import run as run_process
from kubedeb.progress import progress
from pkgbuild.backends import backend
from pkgbuild.memorygroup import Place
from pkgbuild.sandbox import Bind, OpenSandbox, Sandbox, SandboxKind, Surroundings
from pkgbuild.store import Store
from pkgbuild.whyfailed import OOM_FILES, kills
from rootonly import root_only
from waiting import until

pytestmark = pytest.mark.docker
KINDS = (SandboxKind.DOCKER, SandboxKind.UNSHARE)
USER = "kubedeb-test-user"
QUICK = ("--no-root-tests", "--no-lintian")
TOP = Path(__file__).parents[3]


@contextmanager
def opener(kind: SandboxKind, store: Store, tmp_path: Path) -> Iterator[OpenSandbox]:
    lock = store.base("bookworm", "amd64")
    assert lock is not None
    # Locked, as a run's own is: to whoever shares the daemon these containers would be a dead run's.
    with (tmp_path / "run").open("wb") as run_file, backend(kind, store, progress(), tmp_path / "run") as sandboxes:
        fcntl.flock(run_file, fcntl.LOCK_EX)
        assert sandboxes.name == kind.value
        yield sandboxes.prepare(lock)


def said(sandbox: Sandbox, *argv: str) -> list[str]:
    log = io.BytesIO()
    assert sandbox.run(argv, cwd="/", env={}, log=log, timeout=60) == 0, log.getvalue().decode()
    return log.getvalue().decode().splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_the_surroundings_are_what_is_seen(
    kind: SandboxKind, with_base: Store, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen/file").write_text("from outside")
    around = Surroundings(user=1234, umask=0o027, hostname="elsewhere", zone="Asia/Kathmandu", build_root="/b/c", processors=1)
    with opener(kind, with_base, tmp_path) as opened, opened(around, [Bind(tmp_path / "seen", "/seen")]) as sandbox:
        assert sandbox.surroundings == around
        script = "id -u; id -g; umask; hostname; date +%Z; nproc; cat /seen/file; echo; test -O /b/c && echo mine"
        assert said(sandbox, "sh", "-c", script) == [
            "1234", "1234", "0027", "elsewhere", "+0545", "1", "from outside", "mine",
        ]  # fmt: skip
        names = {line.partition("=")[0] for line in said(sandbox, "env")}
        assert names <= {"PATH", "HOME", "LC_ALL", "TZ", "TERM", "PWD", "OLDPWD", "SHLVL", "_"}
        assert sandbox.run(["sh", "-c", "echo x >/seen/file"], cwd="/", env={}, log=io.BytesIO()) != 0
        assert said(sandbox, "sh", "-c", "grep -c : /proc/net/dev; test $(wc -l </proc/net/route) -le 1 && echo no way out")[
            1:
        ] == ["no way out"]
        with pytest.raises(KubedebError, match=r"the build made no /b/c/nothing"):
            sandbox.get("/b/c/nothing", tmp_path / "out")
        with pytest.raises(KubedebError, match="is no regular file"):
            sandbox.get("/b/c", tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_is_ended_by_time_and_by_hand(kind: SandboxKind, with_base: Store, image: str, tmp_path: Path) -> None:
    with opener(kind, with_base, tmp_path) as opened:
        with opened() as sandbox, pytest.raises(KubedebError, match="sleep did not end within 1 s"):
            sandbox.run(["sleep", "60"], cwd="/", env={}, log=io.BytesIO(), timeout=1)
        with opened() as sandbox:
            threading.Timer(1, sandbox.stop).start()
            began = time.monotonic()
            assert sandbox.run(["sleep", "60"], cwd="/", env={}, log=io.BytesIO()) != 0
            assert time.monotonic() - began < 20
    assert list((with_base.folder / "tmp").glob(".sandbox-*")) == []


BUILDS_ALONE = """
import sys
from pathlib import Path
from pkgbuild.unsharesandbox import unshare_sandbox
script = "setsid sh -c 'sleep $1; true' sh $1 & sleep $1; true"
with unshare_sandbox([Path(sys.argv[1])], Path(sys.argv[2])) as sandbox, open("/dev/null", "wb") as log:
    sandbox.run(["sh", "-c", script, "sh", sys.argv[3]], cwd="/", env={}, log=log)
"""


def test_a_build_dies_with_whoever_began_it(with_base: Store, unpacked: str, tmp_path: Path) -> None:
    """Killed outright, with no time to end anything: the builder, whom the kernel gave other rights meanwhile, ends too."""
    marked = f"{os.getpid()}1234567"
    argv = [sys.executable, "-c", BUILDS_ALONE, str(with_base.folder / unpacked), str(tmp_path), marked]
    with subprocess.Popen(argv, cwd=TOP) as building:
        try:
            until(lambda: len(running("sleep", marked)) == 2, 30)
            building.kill()
            building.wait(timeout=30)
            until(lambda: running("sleep", marked) == [], 5)
        finally:
            building.kill()
            for process in running("sleep", marked):
                os.kill(process, signal.SIGKILL)


def running(*command: str) -> list[int]:
    """Return the processes with this command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_text(errors="replace").split("\0")[:-1] == [*command]:
                found.append(int(path.parent.name))
    return found


@pytest.mark.turn("sample in both sandboxes")
@pytest.mark.parametrize("sample", kindsamples.NAMES)
def test_both_give_the_same_bytes(
    sample: str, toolchain: Path, store_with_root: Callable[[str], Path], kept: Path, tmp_path: Path
) -> None:
    """A sample of every build kind, with its layer, through the whole command."""
    recipes = kindsamples.lay_out(tmp_path / "recipes", sample)
    cache = kindsamples.fill_cache(recipes, kept / "sources")
    made = {}
    for kind in KINDS:
        store = store_with_root(kind.value)
        where = ["--recipes", str(recipes), "--store", str(store), "--cache", str(cache), "-o", str(tmp_path / kind.value)]
        assert run(["build", sample, *where, "--sandbox", kind.value, *QUICK]) == ExitCode.DONE
        made[kind] = {path.name: path.read_bytes() for path in (tmp_path / kind.value).glob("*.deb")}
    assert made[SandboxKind.DOCKER] == made[SandboxKind.UNSHARE]
    assert made[SandboxKind.DOCKER]


@pytest.fixture
def somebody() -> Iterator[str]:
    """Give a user without any right, whose home and id ranges are made and taken away here."""
    root_only("makes a user")
    run_process(["useradd", "--create-home", USER], code=ExitCode.BUG)
    try:
        yield USER
    finally:
        run_process(["userdel", "--remove", USER], code=ExitCode.BUG, ok=(0, 12))


@pytest.mark.turn("rarer looks")
def test_a_user_without_rights_builds_the_same(
    somebody: str, new_store: Callable[[str, Path], Path], with_base: Store, tmp_path: Path
) -> None:
    """The whole tool runs as that user: the code is copied where anybody may read it, as an installed one lies."""
    home = Path(run_process(["getent", "passwd", somebody], code=ExitCode.BUG).text.split(":")[5])
    recipes = samplerecipe.write_recipe(home / "recipes")
    lock, store = with_base.base("bookworm", "amd64"), new_store("store", home)
    assert lock is not None
    os.link(with_base.root_file(lock), store / "bases" / with_base.root_file(lock).name)
    for name in ("kubedeb", "pkgbuild", "repo", "upgrade_plans", "recipes"):
        shutil.copytree(TOP / name, home / "code" / name)
    shutil.copy(TOP / "Dockerfile", home / "code")
    copy_libraries(home / "libraries")
    run_process(["chown", "--recursive", f"{somebody}:", home], code=ExitCode.BUG)
    environment = {"HOME": home, "PATH": PATH, "PYTHONPATH": f"{home}/code:{home}/libraries", "LC_ALL": "C.UTF-8"}
    python = [*_as(somebody), "env", *(f"{name}={value}" for name, value in environment.items()), _python(somebody)]
    there = ["--recipes", recipes, "--cache", home / "cache"]
    fetch = ["recipe", "fetch", "hello", *there, "--from", recipes / "sources"]
    build = ["build", "hello", *there, "--store", home / "store", "--sandbox", "unshare", *QUICK, "-o", home / "out"]
    for words in (fetch, build):
        run_process([*python, "-m", "kubedeb", *words], code=ExitCode.BUG, cwd=home, timeout=300)
    here = ["--store", str(new_store("docker", tmp_path)), "--sandbox", "docker", "-o", str(tmp_path / "out")]
    assert run(["build", "hello", *map(str, there), *here, *QUICK]) == ExitCode.DONE
    name = "hello_1.10-1~deb12u1_amd64.deb"
    assert (home / "out" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


GO_TWICE = """
import subprocess, sys
from pathlib import Path
from pkgbuild.compilecache import compile_cache
from pkgbuild.gomake import GoSpec
from pkgbuild.session import session
from pkgbuild.spec import BuildSpec
from pkgbuild.unsharesandbox import with_ids
go = GoSpec("hello", "module", "", "golang-go", False, (), (), False)
spec = BuildSpec("hello", "1", "1-1", "bookworm", "amd64", "go", 0, "s/c", (), (), (), (), "", "", "", go=go)
store = Path(sys.argv[1])
def builder_writes(folder):
    script = 'cd "$1"; mkdir -p 00 made; touch 00/x-a made/x; chown 1000:1000 00/x-a made made/x'
    subprocess.run(with_ids(["sh", "-euc", script, "sh", folder]), check=True)
for _ in range(2):
    with session(store), compile_cache(store, spec) as bind:
        builder_writes(bind.source)
    print(*(path.name for path in (store / "tmp").iterdir()))
left = store / "tmp/.sandbox-killed"
left.mkdir()
builder_writes(left)
with session(store):
    print(*(path.name for path in (store / "tmp").iterdir()))
"""


def test_what_the_builder_of_a_user_wrote_goes(somebody: str) -> None:
    """Its files belong to an id of the user's namespace: the user alone could not remove them."""
    home = Path(run_process(["getent", "passwd", somebody], code=ExitCode.BUG).text.split(":")[5])
    assert of_somebody(somebody, home, GO_TWICE).split() == []


WITHOUT_IDS = """
import io, sys
from functools import partial
from pathlib import Path
from kubedeb.errors import KubedebError
from kubedeb.progress import progress
from pkgbuild.backends import UnshareBackend
from pkgbuild.debroot import make_root
from pkgbuild.halting import Halt
from pkgbuild.store import Store
folder = Path(sys.argv[1])
sandboxes = UnshareBackend(Store(folder), progress(io.StringIO()), Halt())
for work in (partial(make_root, "bookworm", "amd64", {}, folder / "root.tar"), partial(sandboxes._run, "true")):
    try:
        work()
    except KubedebError as error:
        print(error.brief)
"""


def test_what_a_user_lacks_is_said_by_whatever_needs_it_first(somebody: str) -> None:
    home = Path(run_process(["getent", "passwd", somebody], code=ExitCode.BUG).text.split(":")[5])
    everything = ["--del-subuids", "0-4294967294", "--del-subgids", "0-4294967294"]
    run_process(["usermod", *everything, somebody], code=ExitCode.BUG)
    said = of_somebody(somebody, home, WITHOUT_IDS).splitlines()
    why = "has no range in /etc/subuid and /etc/subgid, or newuidmap is not installed (package uidmap)"
    assert [line.partition(": uid ")[0] for line in said if line.endswith(why)] == [
        "a root cannot be made by this user", "the unshare sandbox cannot be used",
    ]  # fmt: skip


def of_somebody(user: str, home: Path, program: str) -> str:
    """Return what a program of ours prints as that user, given a folder of the user's."""
    for name in ("kubedeb", "pkgbuild"):
        shutil.copytree(TOP / name, home / "code" / name)
    copy_libraries(home / "libraries")
    (home / "store").mkdir()
    run_process(["chown", "--recursive", f"{user}:", home], code=ExitCode.BUG)
    home.chmod(0o755)
    environment = [f"HOME={home}", f"PATH={PATH}", f"PYTHONPATH={home}/code:{home}/libraries"]
    argv = [*_as(user), "env", *environment, _python(user), "-c", program, home / "store"]
    return run_process(argv, code=ExitCode.BUG, cwd=home, timeout=120).text


def copy_libraries(folder: Path) -> None:
    """Copy what kubedeb needs at run time, without the tools and libraries of its tests."""
    names, waiting = set(), ["kubedeb"]
    while waiting:
        requirements = [Requirement(text) for text in distribution(waiting.pop()).requires or ()]
        new = {one.name for one in requirements if not one.marker or one.marker.evaluate({"extra": ""})} - names
        names |= new
        waiting += new
    for file in [file for name in names for file in distribution(name).files or () if ".." not in file.parts]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.locate(), folder / file)


def _as(user: str) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]


def _python(user: str) -> Path:
    """Return the Python of the tests where that user may run it, else the system's."""
    python = Path(sys.executable).resolve()
    readable = run_process([*_as(user), "test", "-x", python], code=ExitCode.BUG, ok=(0, 1)).status == 0
    return python if readable else Path("/usr/bin/python3")


def test_unshare_limits_memory_where_control_groups_can_be_written(with_base: Store, image: str, tmp_path: Path) -> None:
    root_only("makes a control group")
    log = io.BytesIO()
    eat = ["perl", "-e", "my $x = 'a' x (400 << 20); print length $x"]
    with opener(SandboxKind.UNSHARE, with_base, tmp_path) as opened:
        with opened(Surroundings(memory=64 << 20)) as sandbox:
            assert sandbox.run(eat, cwd="/", env={}, log=log, timeout=60) == 137
            sandbox.run(["cat", *OOM_FILES], cwd="/", env={}, log=(count := io.BytesIO()), timeout=60)
            assert kills(count.getvalue().decode()) >= 1
        with opened() as sandbox:
            assert said(sandbox, *eat) == [str(400 << 20)]
    assert list(Path("/sys/fs/cgroup").glob("**/kubedeb-[0-9]*-*")) == []


def test_where_no_group_can_be_made_the_message_says_what_is_missing(
    with_base: Store, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pkgbuild.memorygroup.place", lambda *_: Place(1, tmp_path / "none"))
    with opener(SandboxKind.UNSHARE, with_base, tmp_path) as opened, pytest.raises(KubedebError) as raised:
        opened(Surroundings(memory=64 << 20)).__enter__()
    assert raised.value.brief == "the unshare sandbox cannot limit memory here"
    assert f"{tmp_path}/none/kubedeb-" in raised.value.details


@pytest.mark.parametrize("kind", KINDS)
def test_shared_memory_is_bounded(kind: SandboxKind, with_base: Store, image: str, tmp_path: Path) -> None:
    with opener(kind, with_base, tmp_path) as opened, opened() as sandbox:
        fill = "dd if=/dev/zero of=/dev/shm/file bs=1M count=80 2>/dev/null; stat -c %s /dev/shm/file"
        assert said(sandbox, "sh", "-c", fill) == [str(64 << 20)]
