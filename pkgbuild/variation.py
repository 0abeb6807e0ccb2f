"""What `--check` makes different in the second build, and what it cannot: reprotest's list, as data.

docs/reproducibility.md has it as a table (`table`). Nothing here is believed: both sandboxes are asked what they see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from kubedeb.records import frozen
from pkgbuild.sandbox import PLAIN, SandboxKind, Surroundings
from pkgbuild.statement import Varied

DAYS = 400
SECOND = Surroundings(
    user=2345, umask=0o002, locale="C", zone="Pacific/Kiritimati", hostname="another.example.org",
    build_root="/srv/another/folder", home="/nonexistent/another", path="/usr/sbin:/usr/bin:/sbin:/bin:/opt/another/bin",
    processors=1,
)  # fmt: skip
CAUGHT = "i_capture_the_environment"
FAKETIME = "/kubedeb-check"
"""Where the sandbox sees the machine's libfaketime."""
ENVIRONMENT = {
    "CAPTURE_ENVIRONMENT": CAUGHT,
    "LD_PRELOAD": f"{FAKETIME}/libfaketime.so.1",
    "FAKETIME": f"+{DAYS}d",
    "NO_FAKE_STAT": "1",
}
CLOCK = ("LD_PRELOAD", "FAKETIME")
CLOCK_KEPT = "dpkg-source"
"""The command that keeps the true time. It unpacks, and touches its list of applied patches with utime(file, NULL), for which
libfaketime 0.9.10 hands uninitialised times to the kernel: EINVAL (https://github.com/wolfcw/libfaketime/issues/535).
"""
BEFORE = {
    SandboxKind.DOCKER: ("setarch", "--uname-2.6"),
    SandboxKind.UNSHARE: ("setarch", "--uname-2.6", "--addr-no-randomize"),
}
"""What stands before each command of the second build."""
MARKS = ("<!-- variations -->", "<!-- /variations -->")
ONE_PROCESSOR = "the machine has one"
BOTH = (SandboxKind.DOCKER, SandboxKind.UNSHARE)


@frozen
class Variation:
    """One thing of reprotest's list. `seen` is what prints it (shell), `first` and `second` are the values that statements
    name; `impossible` says why a kind of sandbox cannot have another value.
    """

    name: str
    seen: str
    first: str
    second: str
    impossible: Mapping[SandboxKind, str] = field(default_factory=dict)


VARIATIONS = (
    Variation("build path", "pwd", PLAIN.build_root, SECOND.build_root),
    Variation("time", "date --utc +%Y-%m-%d", "now", f"{DAYS} days later"),
    Variation("locale", 'echo "$LC_ALL"', PLAIN.locale, SECOND.locale),
    Variation("time zone", 'echo "$TZ"', PLAIN.zone, SECOND.zone),
    Variation("umask", "umask", f"{PLAIN.umask:04o}", f"{SECOND.umask:04o}"),
    Variation("host name", "cat /proc/sys/kernel/hostname", PLAIN.hostname, SECOND.hostname),
    Variation("domain", "cut -s -d. -f2- /proc/sys/kernel/hostname", "none", "example.org"),
    Variation("user and group", "id -u; id -g", str(PLAIN.user), str(SECOND.user)),
    Variation("home", 'echo "$HOME"', PLAIN.home, SECOND.home),
    Variation("search path", 'echo "$PATH"', PLAIN.path, SECOND.path),
    Variation("environment", 'echo "$CAPTURE_ENVIRONMENT"', "none", CAUGHT),
    Variation("processors", "nproc", "all", "1"),
    Variation("kernel", "uname -r", "the machine's", "2.6"),
    Variation(
        "address space layout", "echo $((0x$(cat /proc/self/personality) & 0x40000))", "random", "fixed",
        {SandboxKind.DOCKER: "docker's system call filter refuses ADDR_NO_RANDOMIZE; each build has other addresses"},
    ),
    Variation(
        "order of files", "mkdir .o && cd .o && touch h c f a d g b e && ls -U; cd .. && rm -r .o",
        "the disk's", "newest first, in memory",
    ),
)  # fmt: skip


def environment(argv: Sequence[str]) -> dict[str, str]:
    """Return the variables that a command of the second build gets."""
    return {name: value for name, value in ENVIRONMENT.items() if argv[0] != CLOCK_KEPT or name not in CLOCK}


def probe() -> str:
    """Return the shell script that prints what a build sees, a line for each variation."""
    return "".join(f'echo "{one.name}: $( ( {one.seen} ) 2>/dev/null | tr "\\n" " ")"\n' for one in VARIATIONS)


def read_probe(text: str) -> dict[str, str]:
    """Return {variation: value} of what `probe` printed."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def not_varied(first: Mapping[str, str], second: Mapping[str, str], impossible: Mapping[str, str]) -> list[str]:
    """Return the variations that two sandboxes saw alike, and that are not `impossible` there."""
    return [one.name for one in VARIATIONS if one.name not in impossible and first.get(one.name) == second.get(one.name)]


def varied(impossible: Mapping[str, str]) -> list[Varied]:
    """Return what a statement says was varied: nothing of the machine is in it."""
    return [Varied(one.name, one.first, one.second) for one in VARIATIONS if one.name not in impossible]


def impossible(kind: SandboxKind, processors: int) -> dict[str, str]:
    """Return {variation: reason} of what is not varied in a kind of sandbox, on a machine of so many processors."""
    listed = {one.name: one.impossible[kind] for one in VARIATIONS if kind in one.impossible}
    return listed if processors > 1 else {**listed, "processors": ONE_PROCESSOR}


def table() -> str:
    """Return docs/reproducibility.md's table of variations."""
    rows = []
    for one in VARIATIONS:
        cells = [f"no: {one.impossible[kind]}" if kind in one.impossible else "yes" for kind in BOTH]
        rows.append(f"| {one.name} | `{one.first}` | `{one.second}` | {' | '.join(cells)} |\n")
    return "| what | first build | second build | docker | unshare |\n|---|---|---|---|---|\n" + "".join(rows)


def with_table(text: str) -> str:
    """Return docs/reproducibility.md's text with the table as it is now."""
    before, _, rest = text.partition(MARKS[0])
    return f"{before}{MARKS[0]}\n{table()}{MARKS[1]}{rest.partition(MARKS[1])[2]}"
