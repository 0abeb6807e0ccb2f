"""What a machine lacks for the unshare sandbox, told from what unshare said; and the command that every sandbox starts."""

from __future__ import annotations

import pytest

from pkgbuild.sandbox import Surroundings, command
from pkgbuild.unsharesandbox import missing, namespaces, overlay_option

SAID = {
    "unshare: failed to find subuid range for user 1001": "uid 1001 has no range in /etc/subuid and /etc/subgid",
    "newuidmap: write to uid_map failed: Operation not permitted": "uid 1001 has no range in /etc/subuid",
    "unshare: unshare failed: Operation not permitted": "the kernel refuses user namespaces to ordinary users",
    "unshare: unshare failed: No space left on device": "no further user namespace may be made",
    "setpriv: something new": "setpriv: something new",
}


@pytest.mark.parametrize("said", SAID)
def test_what_is_missing_is_named(said: str) -> None:
    assert missing(said, 1001).startswith(SAID[said])


def test_only_root_needs_no_user_namespace() -> None:
    assert "--map-auto" not in namespaces(0)
    assert "--map-auto" in namespaces(1001)
    assert (overlay_option(0), overlay_option(1001)) == ("", ",userxattr")


def test_a_command_gets_its_surroundings_and_nothing_else() -> None:
    around = Surroundings(umask=0o077, zone="Asia/Kathmandu", processors=2)
    assert command(around, {"A": "b c"}, ["make", "all"], "/build/x") == [
        "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nonexistent", "LC_ALL=C.UTF-8", "TZ=Asia/Kathmandu",
        "TERM=dumb", "A=b c", "sh", "-c", 'umask 077 && cd "$1" && shift && exec "$@"', "sh", "/build/x",
        "taskset", "--cpu-list", "0-1", "make", "all",
    ]  # fmt: skip
