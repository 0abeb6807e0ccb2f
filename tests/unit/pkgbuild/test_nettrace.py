"""What strace writes of a build, and the attempts that are read from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkgbuild.nettrace import Attempt, attempts, question

QUERY = r"\x1a\x2b\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07\x65\x78\x61\x6d\x70\x6c\x65\x03\x6f\x72\x67\x00\x00\x01\x00\x01"
LOOPBACK = '{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.1")}'
LINES = {
    "an address that no route leads to": (
        '71<curl> connect(5, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16)'
        " = -1 ENETUNREACH (Network is unreachable)",
        "curl tried 192.0.2.1:80 (ENETUNREACH)",
    ),
    "the host's loopback": (
        '71<perl> connect(3, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")}, 16)'
        " = -1 ECONNREFUSED (Connection refused)",
        "perl tried 127.0.0.1:9 (ECONNREFUSED)",
    ),
    "IPv6": (
        '7<go> connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1",'
        " &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH (Network is unreachable)",
        "go tried [2001:db8::1]:443 (ENETUNREACH)",
    ),
    "a datagram": (
        '7<logger> sendto(3, "hi", 2, 0, {sa_family=AF_INET, sin_port=htons(514), sin_addr=inet_addr("192.0.2.7")}, 16)'
        " = -1 ENETUNREACH (Network is unreachable)",
        "logger tried 192.0.2.7:514 (ENETUNREACH)",
    ),
    "a name server nobody reaches": (
        '7<curl> connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.53")}, 16) = -1 ENETUNREACH (',
        "curl tried a name server at 192.0.2.53:53 (ENETUNREACH)",
    ),
    "a name that is asked for": (
        f'7<curl> sendto(3, "{QUERY}", 29, MSG_NOSIGNAL, NULL, 0) = 29',
        "curl asked for the address of example.org",
    ),
    "two questions in one call": (
        f'7<git http> sendmmsg(3, [{{msg_hdr={{msg_name=NULL, msg_iov=[{{iov_base="{QUERY}", iov_len=29}}]}}}}], 2, 0) = 2',
        "git http asked for the address of example.org",
    ),
    "a call that was interrupted in the listing": (
        '71<wget> connect(5, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16 <unfinished ...>',
        "wget tried 192.0.2.1:80",
    ),
}
NOTHING = [
    '7<id> connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file or directory)',
    "7<ip> sendto(3, [{nlmsg_len=20}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20",
    '7<go> connect(3, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("192.0.2.1")}, 16) = 0',
    "7<sh> +++ exited with 2 +++",
    "",
]


@pytest.mark.parametrize("what", LINES)
def test_an_attempt(what: str) -> None:
    line, said = LINES[what]
    assert [str(one) for one in attempts([line, line])] == [said]


@pytest.mark.parametrize("line", NOTHING)
def test_no_attempt(line: str) -> None:
    assert attempts([line]) == []


def test_a_known_name_makes_its_name_server_needless() -> None:
    lines = [f"7<curl> connect(3, {LOOPBACK}, 16) = 0", f'7<curl> sendto(3, "{QUERY}", 29, 0, NULL, 0) = 29',
             f"8<wget> connect(3, {LOOPBACK}, 16) = 0"]  # fmt: skip
    assert attempts(lines) == [Attempt("curl", "", 53, name="example.org"), Attempt("wget", "127.0.0.1", 53)]


LABELS = st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=63), min_size=1, max_size=4)


@given(LABELS)
def test_the_name_of_any_question_is_read(labels: list[str]) -> None:
    asked = b"".join(bytes([len(label)]) + label.encode() for label in labels)
    assert question(b"\1\2\1\0\0\1\0\0\0\0\0\0" + asked + b"\0\0\1\0\1") == ".".join(labels)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_without_an_error(message: bytes) -> None:
    question(message)


@given(st.text())
def test_any_line_is_read_without_an_error(line: str) -> None:
    attempts([line, f"1<x> connect({line}"])
