"""Why a build failed, told from its exit status, the end of its log and how often the kernel killed for memory; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kubedeb.errors import ExitCode
from kubedeb.records import frozen

FULL = re.compile(r"No space left on device|Disk quota exceeded")
# gcc and g++, then cc1's and ld's own words, Go's, Python's and Java's. "Killed" alone at a line's end is what make and sh say.
MEMORY = re.compile(
    r"Killed signal terminated program|virtual memory exhausted|[Cc]annot allocate memory|memory exhausted"
    r"|out of memory|signal: killed|^MemoryError|OutOfMemoryError|\bKilled$"
)
# What resolvers, sockets and the usual downloaders say.
NETWORK = re.compile(
    r"[Tt]emporary failure in name resolution|[Cc]ould not resolve host|[Nn]ame or service not known"
    r"|Temporary failure resolving|unable to resolve host address|lookup \S+ on \S+:53|EAI_AGAIN|ENETUNREACH"
    r"|[Nn]etwork is unreachable|dial (tcp|udp) |[Cc]ould not connect to|[Ff]ailed to connect to|[Cc]onnection refused"
)
OOM_KILL = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
OOM_FILES = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Where a sandbox may read how often the kernel killed for lack of memory: cgroup v2, v1."""


@frozen
class Reason:
    """One line of why, the exit code that goes with it, and whether the build asked for the network."""

    brief: str
    code: ExitCode
    network: bool = False


def reason(program: str, status: int, tail: Sequence[str], killed: int = 0, memory: int | None = None) -> Reason:
    """Return why `program` ended with `status`: `tail` is its log's end, `killed` the kernel's count of kills for memory."""
    text = "\n".join(tail)
    if FULL.search(text):
        return Reason("the sandbox's disk is full", ExitCode.BUILD_STORAGE)
    if killed or any(MEMORY.search(line) for line in tail):
        limit = f", the limit is {memory // 1024**2} MiB" if memory else ""
        return Reason(f"a process ran out of memory{limit}", ExitCode.BUILD)
    ended = f"{program} failed with exit status {status}"
    if NETWORK.search(text):
        return Reason(f"{ended}; it asked for the network, which is off while building", ExitCode.BUILD, network=True)
    return Reason(ended, ExitCode.BUILD)


def kills(text: str) -> int:
    """Return the kernel's count in what the `OOM_FILES` hold; 0 when they say nothing."""
    return sum(int(found) for found in OOM_KILL.findall(text))
