"""A suite's gates: what must have been said about a package before the suite takes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from repo.models import SOURCE, Package, Suite, pool_folder
from repo.place import Repository
from repo.poolfiles import beside
from repo.statements import Said, read_keys, read_statements

# The types that have a short name, as `kubedeb build` and its users state them.
KINDS = {
    "lint": "https://kubedeb.dev/attestation/lint/v1",
    "reproduced": "https://kubedeb.dev/attestation/reproduced/v1",
}
GATE = re.compile(r"(?P<kind>[a-z]+|https?://[!-<>-~]+)(?:=(?P<count>[1-9][0-9]?))?")
LARGEST = 16 * 1024 * 1024


@frozen
class Gate:
    """A statement that a package needs: its name for people, the predicate's type, by how many makers."""

    name: str
    kind: str
    count: int = 1


def parse_gate(text: str) -> Gate:
    """Return the gate written `lint`, `reproduced=2` or as a predicate type, `URI[=N]`. Raises `ValueError`."""
    match = GATE.fullmatch(text)
    kind = KINDS.get(match["kind"], match["kind"]) if match else ""
    if match is None or "://" not in kind:
        raise ValueError(f"{text!r} is no gate: {', '.join(KINDS)} or the URI of a predicate type, with =N for N makers")
    return Gate(match["kind"], kind, int(match["count"] or 1))


def lacking(gates: Iterable[Gate], said: Sequence[Said], sha256: str) -> Iterator[str]:
    """Yield what is missing for a package: a verdict that is not good is a veto, whatever others say."""
    for gate in gates:
        about = [one for one in said if one.kind == gate.kind and sha256 in one.subjects]
        bad = sorted({one.maker for one in about if not one.passed})
        good = {one.maker for one in about if one.passed}
        if bad:
            yield f"{gate.name}: {', '.join(filter(None, bad)) or 'somebody'} says that it failed"
        elif len(good) < gate.count:
            yield f"{gate.name}: {len(good)} of {gate.count} say that it passed"


def refuse_unstated(repository: Repository, suite: Suite, coming: Iterable[Package]) -> None:
    """Raise `KubedebError` (PACKAGE) with every package that comes into a suite and has not passed its gates."""
    gates = [parse_gate(text) for text in suite.options.gates]
    if not gates:
        return
    keys = read_keys(Path(suite.options.gate_keys)) if suite.options.gate_keys else {}
    ours = made_here(repository)
    problems: list[str] = []
    for package in coming:
        if package.architecture == SOURCE or package.sha256 in ours:
            continue
        said = [one for data in statements_of(repository, package) for one in read_statements(data, keys)]
        problems += [f"{package.label}: {problem}" for problem in lacking(gates, said, package.sha256)]
    if problems:
        raise KubedebError(
            f"{len(problems)} gates of {suite.name} are closed: {problems[0]}", details="\n".join(problems[1:]),
            hint="Add the statements beside the packages (kubedeb repo add FILE.deb FILE.intoto.jsonl). Nothing was published.",
            code=ExitCode.PACKAGE,
        )  # fmt: skip


def statements_of(repository: Repository, package: Package) -> Iterator[bytes]:
    """Yield the statement files that lie beside a package and are what its stanza says of them."""
    for file in beside(package):
        if file.name.endswith(".intoto.jsonl") and file.size <= LARGEST:
            data = repository.layout.store.read(f"{pool_folder(package.sha256)}/{file.name}")
            if data is not None and sha256_bytes(data) == file.sha256:
                yield data


def made_here(repository: Repository) -> frozenset[str]:
    """Return the sha256 of the keyring packages that this repository has made: nobody else says anything about them."""
    path = repository.layout.public_keys / "packages"
    return frozenset(path.read_text().split()) if path.exists() else frozenset()
