"""`kubedeb repo stats` and `repo metrics`: what the suites hold, how they grew, and what a monitor should watch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from kubedeb.aptrepo import verified
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from kubedeb.release import parse_release
from repo.indices import SNAPSHOT_FIELD
from repo.keyset import read_keys
from repo.live import chunk_loader, generation_name, read_live, read_snapshot
from repo.place import Repository
from repo.snapshots import rows_of


@frozen
class Grown:
    """A generation of the past: when, and how many packages."""

    generation: int
    date: int
    packages: int


@frozen
class SuiteStats:
    """What a suite serves. Dates are seconds since the epoch, `valid_until` None where it does not expire."""

    suite: str
    generation: int
    date: int
    valid_until: int | None
    packages: int
    names: int
    bytes: int
    architectures: dict[str, int]
    growth: tuple[Grown, ...]


def stats(repository: Repository) -> tuple[SuiteStats, ...]:
    """Return the figures of every published suite, from its package list. Raises `KubedebError` (REPOSITORY) when damaged."""
    load = chunk_loader(repository)
    found = []
    for suite in repository.identity.suites:
        live = read_live(repository, suite.name)
        if live is None:
            continue
        names, size, architectures = set[str](), 0, Counter[str]()
        for row in rows_of(load, live.snapshot):
            names.add(row.name)
            size += row.size
            architectures[row.architecture] += 1
        until = live.release.fields.get("Valid-Until")
        valid_until = int(parsedate_to_datetime(until).timestamp()) if until else None
        growth = (*_growth(repository, suite.name, live.generation), Grown(live.generation, live.date, live.snapshot.count))
        found.append(SuiteStats(suite.name, live.generation, live.date, valid_until, live.snapshot.count, len(names), size,
                                dict(sorted(architectures.items())), growth))  # fmt: skip
    return tuple(found)


def _growth(repository: Repository, suite: str, live: int) -> Iterable[Grown]:
    """Yield the generations before the live one of which the records are still there."""
    store = repository.layout.store
    for number in range(1, live):
        record = store.read(generation_name(suite, number))
        if record is None:
            continue
        try:
            release = parse_release(suite, verified(record, repository.layout.keyring, code=ExitCode.REPOSITORY))
            count = read_snapshot(store, release.fields[SNAPSHOT_FIELD]).count
        except (KubedebError, ValueError, KeyError):
            continue
        yield Grown(number, int(release.date.timestamp()), count)


def key_expiries(repository: Repository) -> dict[str, int | None]:
    """Return when each key that clients have expires (seconds since the epoch, None: never), by fingerprint."""
    return {key.fingerprint: key.expires or None for key in read_keys(repository).for_clients}


def metrics_text(suites: Iterable[SuiteStats], keys: dict[str, int | None], now: float) -> str:
    """Return the figures in Prometheus' text format 0.0.4. What never expires has no sample."""
    suites = tuple(suites)
    families = (
        ("generation", "The live generation.", [(one.suite, one.generation) for one in suites]),
        ("age_seconds", "Time since the live generation's Date.", [(one.suite, int(now - one.date)) for one in suites]),
        ("valid_until_timestamp_seconds", "When the Release expires.",
         [(one.suite, one.valid_until) for one in suites if one.valid_until is not None]),
        ("packages", "Packages in the suite.", [(one.suite, one.packages) for one in suites]),
        ("package_bytes", "Size of the packages in the suite.", [(one.suite, one.bytes) for one in suites]),
    )  # fmt: skip
    lines = []
    for name, text, samples in families:
        lines += _family(name, text, "suite", samples)
    expiring = [(key, expiry) for key, expiry in keys.items() if expiry is not None]
    lines += _family("key_expiry_timestamp_seconds", "When the key expires.", "fingerprint", expiring)
    return "".join(f"{line}\n" for line in lines)


def _family(name: str, text: str, label: str, samples: Iterable[tuple[str, int]]) -> list[str]:
    head = [f"# HELP kubedeb_repo_{name} {text}", f"# TYPE kubedeb_repo_{name} gauge"]
    return [*head, *(f'kubedeb_repo_{name}{{{label}="{_label(value)}"}} {number}' for value, number in samples)]


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
