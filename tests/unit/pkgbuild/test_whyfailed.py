"""Why a build failed: what compilers, shells and resolvers really print, and the one line that it must become."""

from __future__ import annotations

import pytest

from kubedeb.errors import ExitCode
from pkgbuild.whyfailed import kills, reason

MEMORY = "a process ran out of memory"
NETWORK = "dpkg-buildpackage failed with exit status 2; it asked for the network, which is off while building"
SAID = {
    "gcc: fatal error: Killed signal terminated program cc1": MEMORY,
    "cc1plus: out of memory allocating 65536 bytes after a total of 1 bytes": MEMORY,
    "/bin/sh: 1: Killed": MEMORY,
    "github.com/x/y: /usr/lib/go/pkg/tool/linux_amd64/compile: signal: killed": MEMORY,
    "fatal error: runtime: out of memory": MEMORY,
    "virtual memory exhausted: Cannot allocate memory": MEMORY,
    "MemoryError": MEMORY,
    "cp: error writing 'big': No space left on device": "the sandbox's disk is full",
    "curl: (6) Could not resolve host: example.org": NETWORK,
    "wget: unable to resolve host address 'example.org'": NETWORK,
    "fatal: unable to access 'https://x/': Failed to connect to 127.0.0.1 port 9": NETWORK,
    'Get "https://proxy/x": dial tcp: lookup proxy on 127.0.0.1:53: read udp: connection refused': NETWORK,
    "OSError: [Errno 101] Network is unreachable": NETWORK,
    "hello.c:1:10: fatal error: hello.h: No such file or directory": "dpkg-buildpackage failed with exit status 2",
    "tests of Killed-signals: 3 passed": "dpkg-buildpackage failed with exit status 2",
}


@pytest.mark.parametrize("line", SAID)
def test_the_end_of_the_log_gives_the_reason(line: str) -> None:
    why = reason("dpkg-buildpackage", 2, ["make: Entering directory", line, "make: *** [debian/rules:4: binary] Error 1"])
    assert why.brief == SAID[line]
    assert why.network == (SAID[line] == NETWORK)
    assert why.code == (ExitCode.BUILD_STORAGE if "disk" in why.brief else ExitCode.BUILD)


def test_the_kernels_count_is_enough_and_the_limit_is_named() -> None:
    assert reason("make", 2, ["make: error"], killed=1, memory=512 * 1024**2).brief == f"{MEMORY}, the limit is 512 MiB"


COUNTED = {
    "cgroup v1": ("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
    "cgroup v2": ("low 0\nhigh 0\nmax 81\noom 3\noom_kill 3\noom_group_kill 0\n", 3),
    "neither": ("cat: /sys/fs/cgroup/memory.events: No such file or directory\n", 0),
}


@pytest.mark.parametrize("where", COUNTED)
def test_kills(where: str) -> None:
    text, count = COUNTED[where]
    assert kills(text) == count
