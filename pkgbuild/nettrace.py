"""Which addresses a build tried, read from what strace wrote; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kubedeb.records import ordered

STRACE = ("-f", "-Y", "-x", "-s", "600", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none")
"""What strace is asked for: all processes with their names, strings whole, bytes that are no text in hexadecimal."""
CALL = re.compile(r"\d+<(?P<program>.*?)> (?P<call>\w+)\((?P<rest>.*)")
IPV4 = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)')
IPV6 = re.compile(r'sin6_port=htons\((\d+)\).*?inet_pton\(AF_INET6, "([^"]+)"')
RESULT = re.compile(r"= (-1 (?P<error>E\w+)|-?\d+|\?)[^=]*$")
PAYLOAD = re.compile(r'"((?:\\x[0-9a-f]{2})+)"')
DNS_PORT = 53
DNS_HEADER = 12


@ordered
class Attempt:
    """A program's try to reach an address; `name` is what it asked a name server for, `answer` what the kernel said."""

    program: str
    address: str
    port: int
    answer: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.name:
            return f"{self.program} asked for the address of {self.name}"
        where = f"[{self.address}]" if ":" in self.address else self.address
        what = "a name server at " if self.port == DNS_PORT else ""
        return f"{self.program} tried {what}{where}:{self.port}" + (f" ({self.answer})" if self.answer else "")


def attempts(lines: Iterable[str]) -> list[Attempt]:
    """Return every different attempt in the order of the first; sockets of files and of the kernel are no network."""
    found: dict[Attempt, None] = {}
    for line in lines:
        if call := CALL.match(line):
            for attempt in _of(call["program"], call["rest"]):
                found.setdefault(attempt)
    named = {attempt.program for attempt in found if attempt.name}
    # Where the name is known, the name server that was asked says nothing more.
    return [one for one in found if one.name or one.port != DNS_PORT or one.program not in named]


def _of(program: str, rest: str) -> list[Attempt]:
    if names := [name for payload in PAYLOAD.findall(rest) if (name := question(_bytes(payload)))]:
        return [Attempt(program, "", DNS_PORT, name=name) for name in names]
    answer = RESULT.search(rest)
    error = (answer["error"] or "") if answer else ""
    # Port 0 is how a resolver asks the kernel which of its addresses it would use: nothing is sent.
    return [
        Attempt(program, address, int(port), error)
        for pattern in (IPV4, IPV6)
        for port, address in pattern.findall(rest)
        if port != "0"
    ]


def _bytes(payload: str) -> bytes:
    return bytes.fromhex(payload.replace("\\x", ""))


def question(message: bytes) -> str:
    """Return the name that a DNS query asks for (RFC 1035, 4.1), "" when the bytes are none."""
    if len(message) <= DNS_HEADER or message[2] & 0x80 or message[4:6] != b"\0\1":
        return ""
    labels, place = [], DNS_HEADER
    while place < len(message) and (length := message[place]):
        label = message[place + 1 : place + 1 + length]
        if length > 63 or len(label) < length or not label.isascii():
            return ""
        labels.append(label.decode("ascii"))
        place += 1 + length
    return ".".join(labels) if place < len(message) else ""
