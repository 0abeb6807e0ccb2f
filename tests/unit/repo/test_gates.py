"""Statements, gates and what is installable, as values."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from repo.everywhere import weaknesses
from repo.gates import KINDS, Gate, lacking, parse_gate
from repo.installable import Broken, concerned, parse_report
from repo.models import Package
from repo.statements import PAYLOAD, Said, read_statements, signed_bytes

LINT, REPRODUCED = KINDS["lint"], KINDS["reproduced"]
SHA = "a" * 64
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in ("ann", "bob", "eve")}
KNOWN = {name: KEYS[name].public_key() for name in ("ann", "bob")}


def statement(**changes: Any) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1", "predicateType": LINT, "subject": [{"digest": {"sha256": SHA}}],
        "predicate": {"verdict": "pass", "builder": {"id": "https://builder"}}, **changes,
    }  # fmt: skip


def envelope(said: Any, *signers: str, over: bytes = b"", kind: str = PAYLOAD) -> dict[str, Any]:
    payload = json.dumps(said).encode()
    signatures = [{"sig": base64.b64encode(KEYS[name].sign(over or signed_bytes(kind, payload))).decode()} for name in signers]
    return {"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": signatures}


def read(*documents: Any, keys: bool = True) -> list[tuple[str, bool]]:
    data = "".join(f"{json.dumps(document)}\n" for document in documents).encode()
    return [(said.maker, said.passed) for said in read_statements(data, KNOWN if keys else {})]


GOOD = envelope(statement(), "ann")
SAYS: dict[str, tuple[Any, list[tuple[str, bool]]]] = {
    "one key": (GOOD, [("ann", True)]),
    "two keys in one envelope": (envelope(statement(), "bob", "ann"), [("ann", True), ("bob", True)]),
    "a key that nobody named": (envelope(statement(), "eve"), []),
    "not signed": (statement(), []),
    "signed is another text": (envelope(statement(), "ann", over=b"else"), []),
    "another type of payload": (envelope(statement(), "ann", kind="text/plain"), []),
    "another type of statement": (envelope(statement(_type="https://evil"), "ann"), []),
    "a verdict that failed": (envelope(statement(predicate={"verdict": "fail"}), "ann"), [("ann", False)]),
    "no verdict at all": (envelope(statement(predicate={}), "ann"), [("ann", False)]),
    "in-toto's test-result": (envelope(statement(predicate={"result": "PASSED"}), "ann"), [("ann", True)]),
    "SLSA's summary": (envelope(statement(predicate={"verificationResult": "PASSED"}), "ann"), [("ann", True)]),
    "no subject": (envelope({**statement(), "subject": None}, "ann"), []),
    "a predicate that is a list": (envelope(statement(predicate=[]), "ann"), []),
    "not base64": ({**GOOD, "payload": "%"}, []),
    "a number": (7, []),
    "signatures that are none": ({**GOOD, "signatures": [{"sig": "AAAA"}, 3]}, []),
}


@pytest.mark.parametrize("name", SAYS)
def test_what_a_line_says(name: str) -> None:
    document, said = SAYS[name]
    assert read(document) == said
    # A line that says nothing hides no other.
    assert read(document, GOOD) == [*said, ("ann", True)]


def test_without_keys_everybody_counts() -> None:
    assert read(statement(), envelope(statement(), "eve"), keys=False) == [("https://builder", True)] * 2


@given(st.binary(max_size=300))
def test_no_bytes_are_a_statement_or_an_error(data: bytes) -> None:
    assert list(read_statements(data + b"\n" + b"[" * 2000, {})) == []


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("lint", Gate("lint", LINT)),
        ("reproduced=2", Gate("reproduced", REPRODUCED, 2)),
        ("https://example.org/a=3", Gate("https://example.org/a", "https://example.org/a", 3)),
    ],
)
def test_gates_are_read(text: str, gate: Gate) -> None:
    assert parse_gate(text) == gate


@pytest.mark.parametrize("text", ["", "other", "lint=0", "lint=", "lint=x", "ftp://x"])
def test_what_is_no_gate_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no gate"):
        parse_gate(text)


def said(kind: str, maker: str, *, passed: bool = True, about: str = SHA) -> Said:
    return Said(kind, frozenset({about}), passed, maker)


@pytest.mark.parametrize(
    ("statements", "missing"),
    [
        ([], ["lint: 0 of 1 say that it passed", "reproduced: 0 of 2 say that it passed"]),
        ([said(LINT, "ann"), said(REPRODUCED, "ann"), said(REPRODUCED, "bob")], []),
        # One maker who says it twice is one.
        ([said(LINT, "ann"), said(REPRODUCED, "ann"), said(REPRODUCED, "ann")], ["reproduced: 1 of 2 say that it passed"]),
        (
            [said(LINT, "ann", about="b" * 64), said(REPRODUCED, "a"), said(REPRODUCED, "b")],
            ["lint: 0 of 1 say that it passed"],
        ),
        (
            [said(LINT, "ann"), *(said(REPRODUCED, name) for name in "abc"), said(REPRODUCED, "bob", passed=False)],
            ["reproduced: bob says that it failed"],
        ),
    ],
)
def test_what_is_lacking(statements: Sequence[Said], missing: list[str]) -> None:
    assert list(lacking([Gate("lint", LINT), Gate("reproduced", REPRODUCED, 2)], statements, SHA)) == missing


def package(name: str, more: str = "", version: str = "1") -> Package:
    return Package(name, version, "amd64", name.encode().hex().ljust(64, "0"), 1, f"Package: {name}\n{more}")


def test_what_relates_to_a_changed_name_is_looked_at() -> None:
    rows = [
        package("aa"), package("bb", "Depends: aa (>= 1) | zz\n"), package("cc", "Breaks: virtual\n"),
        package("dd", "Depends: aaa\n"), package("ee", "Recommends: aa\n"),
    ]  # fmt: skip
    changed = [package("aa", "Provides: virtual (= 3)\n")]
    assert [row.name for row in concerned(rows, changed)] == ["aa", "bb", "cc"]


REPORT = """output-version: 1.2
native-architecture: amd64
report:
 -
  package: c
  version: 1
  architecture: amd64
  status: broken
  reasons:
   -
    conflict:
     pkg1:
      package: c
      version: 1
      architecture: amd64
      unsat-conflict: e:amd64
     pkg2:
      package: e
      version: 2
      architecture: amd64
 -
  package: b
  version: 1:1.10
  architecture: all
  status: broken
  reasons:
   -
    missing:
     pkg:
      package: a
      version: 1
      architecture: amd64
      unsat-dependency: nothere:amd64 (>= 2)

background-packages: 2
foreground-packages: 3
total-packages: 5
broken-packages: 2
"""


def test_the_report_is_read() -> None:
    assert parse_report(REPORT, "amd64") == [
        Broken("amd64", "c", "1", "c 1 conflicts with e 2"),
        Broken("amd64", "b", "1:1.10", "a needs nothere:amd64 (>= 2), which nothing has"),
    ]
    assert parse_report("output-version: 1.2\nreport:\n \nbroken-packages: 0\n", "amd64") == []


COLONS = """pub:-:2048:1:AA:1:::-:::scESC:::
fpr:::::::::AA:
sub:-:4096:1:BB:1:::::
fpr:::::::::BB:
pub:-:255:22:C:
fpr:::::::::CC:
"""


@pytest.mark.parametrize(
    ("fingerprint", "algorithm", "digest", "weak"),
    [
        ("AA", 1, 8, ["AA is a key of algorithm 1 of RFC 4880 with 2048 bits"]),
        ("BB", 1, 10, []),
        ("CC", 22, 10, []),
        ("CC", 22, 2, ["CC signs with digest 2 of RFC 4880"]),
        ("CC", 17, 8, ["CC is a key of algorithm 17 of RFC 4880 with 255 bits"]),
    ],
)
def test_what_is_weak_in_years_to_come(fingerprint: str, algorithm: int, digest: int, weak: list[str]) -> None:
    status = f"[GNUPG:] GOODSIG x y\n[GNUPG:] VALIDSIG {fingerprint} 2026-01-01 1 0 4 0 {algorithm} {digest} 01 PRIMARY\n"
    assert weaknesses(status, COLONS) == weak
