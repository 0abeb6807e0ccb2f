"""in-toto statements about a package: one JSON object a line, nothing in them but what the build was made of; pure.

docs/attestations.md says what each means, docs/attestations.schema.json its form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubedeb.records import frozen, ordered
from pkgbuild import purl
from pkgbuild.baselock import BaseLock
from pkgbuild.dsse import payload
from pkgbuild.finding import LintVerdict
from pkgbuild.spec import BuildSpec, SourcePin

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
LINT = "https://kubedeb.dev/attestation/lint/v1"
REPRODUCED = "https://kubedeb.dev/attestation/reproduced/v1"
BUILD_TYPE = "https://kubedeb.dev/build/v1"
BUILDER = "https://kubedeb.dev/builder/v1"
FAILED, PASSED = "fail", "pass"
WHOLE = {"passed": PASSED, "failed": FAILED}


@ordered
class Material:
    """A file that a build was made from or with: a name or URI, and its digest (`sha256` or `sha512`, hex)."""

    name: str
    uri: str
    algorithm: str
    value: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as in-toto's ResourceDescriptor."""
        named = {"name": self.name} if self.name else {}
        return {**named, **({"uri": self.uri} if self.uri else {}), "digest": {self.algorithm: self.value}}


@frozen
class Varied:
    """One thing that was different in the second build, with both values."""

    name: str
    first: str
    second: str


def source_uri(pin: SourcePin) -> str:
    """Return where a source is from, without naming any host but upstream's own."""
    if pin.kind == "wheel":
        return purl.pypi(pin.name, pin.version)
    if pin.kind in ("deb", "dsc"):
        return purl.debian(pin.name, pin.version, "source" if pin.kind == "dsc" else pin.architecture, pin.suite)
    return pin.url or purl.generic(pin.name, pin.version)


def materials(spec: BuildSpec, lock: BaseLock | None, own: Iterable[Material] = ()) -> list[Material]:
    """Return everything that went into a build: sources, the rendered tree with its patches, every package of the root
    (compilers and tools are among them), packages of ours, the sandbox's stage.
    """
    root = lock.packages if lock else ()
    packages = [
        Material("", purl.debian(entry.name, entry.version, entry.architecture, spec.suite), "sha256", entry.sha256)
        for entry in root
    ]
    sources = [
        Material(pin.file or pin.name, source_uri(pin), pin.checksum.algorithm.value, pin.checksum.value)
        for pin in spec.sources
    ]
    # A rendered file's digest in the spec ends in a mark when the file is executable.
    tree = [Material(path, "", "sha256", digest.partition("+")[0]) for path, digest in spec.tree]
    stage = [Material("Dockerfile, first stage", "", "sha256", spec.sandbox)] if spec.sandbox else []
    return [*sorted(sources), *sorted(tree), *stage, *sorted(packages), *sorted(own)]


def provenance(spec: BuildSpec, made_of: Sequence[Material], buildinfo: str) -> dict[str, Any]:
    """Return SLSA's provenance of a build; `buildinfo` is the digest of its .buildinfo's normal form."""
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "recipe": spec.recipe, "version": spec.version, "packageVersion": spec.package_version, "suite": spec.suite,
                "architecture": spec.architecture,
            },
            "internalParameters": {
                "spec": {"sha256": spec.digest}, "base": {"sha256": spec.base}, "kind": spec.kind,
                "sourceDateEpoch": spec.epoch,
            },
            "resolvedDependencies": [material.as_dict() for material in made_of],
        },
        "runDetails": {
            "builder": {"id": BUILDER},
            "byproducts": [{"name": "buildinfo, normal form", "digest": {"sha256": buildinfo}}],
        },
    }  # fmt: skip


def lint(verdict: LintVerdict) -> dict[str, Any] | None:
    """Return the predicate of a lint verdict; None when a judge did not run: then nothing is stated."""
    word = WHOLE.get(verdict.verdict)
    return None if word is None else {**verdict.as_dict(), "verdict": word}


def reproduced(varied: Iterable[Varied], impossible: Mapping[str, str], *, same: bool, against: str) -> dict[str, Any]:
    """Return the predicate of a build that was done again. `against`: `second-build`, or `buildinfo` for a rebuild."""
    return {
        "verdict": PASSED if same else FAILED,
        "against": against,
        "builder": {"id": BUILDER},
        "varied": [{"name": one.name, "first": one.first, "second": one.second} for one in varied],
        "notVaried": [{"name": name, "reason": reason} for name, reason in sorted(impossible.items())],
    }


def statement(file: str, sha256: str, kind: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Return one statement about one file."""
    subject = [{"name": file, "digest": {"sha256": sha256}}]
    return {"_type": STATEMENT, "subject": subject, "predicateType": kind, "predicate": dict(predicate)}


def as_lines(statements: Iterable[Mapping[str, Any]]) -> bytes:
    """Return statements or envelopes as a file holds them: one a line, equal values as equal bytes."""
    lines = (json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for one in statements)
    return "".join(f"{line}\n" for line in lines).encode()


def from_lines(data: bytes) -> list[dict[str, Any]]:
    """Return what `as_lines` wrote. Raises `ValueError` when a line is no JSON object."""
    found = [json.loads(line) for line in data.decode().splitlines() if line.strip()]
    if not all(isinstance(one, dict) for one in found):
        raise ValueError("a line is not an object")
    return found


def with_statement(data: bytes, added: Mapping[str, Any]) -> bytes:
    """Return a file with a statement added; an older one of the same type goes. When each was made does not show."""
    kept = [one for one in from_lines(data) if payload(one).get("predicateType") != added["predicateType"]]
    return as_lines(sorted([*kept, added], key=lambda one: _PLACES.get(payload(one).get("predicateType", ""), 0)))


_PLACES = {kind: place for place, kind in enumerate((PROVENANCE, LINT, REPRODUCED))}
