"""strace in a sandbox: the machine's own program with its libraries, seen inside at a path of its own, in any root."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from kubedeb.records import frozen
from pkgbuild.build import Workshop, fetched, put_tree
from pkgbuild.nettrace import STRACE, attempts
from pkgbuild.sandbox import PLAIN, Bind
from pkgbuild.spec import Expanded
from pkgbuild.steps import environment, steps

INSIDE = "/run/kubedeb-strace"
OUTPUT = "/tmp/kubedeb-strace.out"  # noqa: S108 - in the sandbox
LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
# Where nobody listens but a query can be sent to: so strace sees the name that is asked for.
RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"


@frozen
class Tracer:
    """What a sandbox must see, and the words that go before a command to trace it."""

    binds: tuple[Bind, ...]
    prefix: tuple[str, ...]


@contextmanager
def tracer() -> Iterator[Tracer]:
    """Give a tracer while the block runs. Raises `KubedebError` (SANDBOX) when the machine has no strace."""
    program = shutil.which("strace")
    if program is None:
        raise KubedebError("strace is not installed", hint="apt-get install strace", code=ExitCode.SANDBOX)
    with tempfile.TemporaryDirectory(prefix="kubedeb-strace-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        files = [Path(program), *libraries(run(["ldd", program], code=ExitCode.SANDBOX, timeout=30).text)]
        for file in files:
            shutil.copy(file, folder / file.name)
            (folder / file.name).chmod(0o755)
        (folder / "resolv.conf").write_text(RESOLVER)
        loader = next(file.name for file in files if file.name.startswith("ld-linux"))
        prefix = (f"{INSIDE}/{loader}", "--library-path", INSIDE, f"{INSIDE}/strace", *STRACE, "-A", "-o", OUTPUT, "--")
        yield Tracer((Bind(folder, INSIDE), Bind(folder / "resolv.conf", "/etc/resolv.conf")), prefix)


def libraries(text: str) -> list[Path]:
    """Return the files that ldd lists, the loader among them; pure."""
    return [Path(found) for found in LIBRARY.findall(text)]


def trace_network(expanded: Expanded, shop: Workshop) -> list[str]:
    """Build once more under strace and return a line for each address or name that was tried.

    Raises `KubedebError` (SANDBOX) when the sandbox or strace does not work. The build may fail, its packages are dropped.
    """
    spec = expanded.spec
    log = shop.store.log(spec).with_suffix(".trace.log")
    with tracer() as tools, tempfile.TemporaryDirectory(prefix="kubedeb-trace-") as name, log.open("wb", buffering=0) as out:
        with shop.sandbox(PLAIN, tools.binds) as sandbox:
            files = fetched(spec, shop.cache)
            put_tree(expanded, files, sandbox)
            for step in steps(spec, files.dsc):
                folder = f"{sandbox.surroundings.build_root}/{step.folder}".rstrip("/")
                argv = [*tools.prefix, *step.argv]
                if sandbox.run(argv, cwd=folder, env=environment(spec), log=out, timeout=shop.conditions.seconds):
                    break
            sandbox.get(OUTPUT, Path(name) / "strace")
        with (Path(name) / "strace").open(errors="replace") as lines:
            return [str(attempt) for attempt in attempts(lines)]


def with_addresses(error: KubedebError, tried: list[str]) -> KubedebError:
    """Return a build's error with what it tried to reach; pure."""
    told = [f"The network is off; {line}" for line in tried] or ["No program tried to reach an address."]
    return KubedebError(error.brief, details="\n".join([error.details, *told]), hint=error.hint, code=error.code)
