"""What another repository offers of what is asked of it: its signed indices read, and held to be fresh and valid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from kubedeb.aptrepo import AptRepository
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from kubedeb.release import Release
from repo.foreign import Offer, binary, chosen, out_of_date, single, source
from repo.models import SOURCE, Suite
from repo.queries import asked_for
from repo.transaction import Say


@frozen
class Origin:
    """Which packages of which repository: `suites` of it (one that ends in `/` is a flat repository's folder).

    No components: all; no architectures: those of the suite that takes them; no queries: all packages, but sources only
    where they are asked for. `keyring` is a file of public keys. `allow_expired` takes a Release past its Valid-Until.
    """

    uri: str
    suites: tuple[str, ...] = ()
    keyring: str = ""
    components: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    sources: bool = False
    allow_expired: bool = False


@frozen
class Seen:
    """What the other repository said: its Releases by suite, and the packages chosen."""

    releases: dict[str, Release]
    offers: tuple[Offer, ...]


Freshness = Callable[[str, Release], None]


def read_offers(apt: AptRepository, origin: Origin, suite: Suite, say: Say, fresh: Freshness | None = None) -> Seen:
    """Return what `origin` chooses of what its signed indices list. Raises `KubedebError` (FOREIGN)."""
    queries = [asked_for(query) for query in origin.queries]
    wanted = origin.architectures or suite.architectures
    releases, offers = {}, list[Offer]()
    for name in origin.suites:
        say(f"reading {apt.uri} {name}")
        release = releases[name] = apt.release(name)
        _refuse_old(apt, name, release, allow_expired=origin.allow_expired)
        if fresh is not None:
            fresh(name, release)
        offers += chosen(_listed(apt, release, origin, wanted), queries)
    try:
        return Seen(releases, single(offer for offer in offers if offer.architecture in (*wanted, "all", SOURCE)))
    except ValueError as error:
        raise KubedebError(str(error), details=f"In the repository {apt.uri}", code=ExitCode.FOREIGN) from error


def _refuse_old(apt: AptRepository, name: str, release: Release, *, allow_expired: bool) -> None:
    try:
        problem = out_of_date(release, datetime.now(UTC))
    except (ValueError, TypeError) as error:
        problem = f"its Valid-Until is no date: {error}"
    if problem and not (allow_expired and "expired" in problem):
        raise KubedebError(
            f"{name}: {problem}", details=f"In the repository {apt.uri}", code=ExitCode.FOREIGN,
            hint="apt refuses it too. --allow-expired takes an archive that is not kept up any more." if "expired" in problem
            else "Set this machine's clock.",
        )  # fmt: skip


def _listed(apt: AptRepository, release: Release, origin: Origin, architectures: Sequence[str]) -> Iterator[Offer]:
    """Yield all that the indices asked for list. Raises `KubedebError` (FOREIGN) with the package whose stanza is not valid."""
    components = ("",) if release.flat else origin.components or release.components
    for component in components:
        for architecture in ("",) if release.flat else _binaries(apt, release, component, architectures):
            for stanza in apt.packages(release, component, architecture):
                yield _offer(apt, release, stanza, binary)
        if origin.sources:
            for stanza in apt.sources(release, component):
                yield _offer(apt, release, stanza, source)


def _binaries(apt: AptRepository, release: Release, component: str, architectures: Iterable[str]) -> list[str]:
    """Return the architectures whose index is to be read; `all` has one of its own in some repositories."""
    listed = {path.split("/")[1].removeprefix("binary-") for path in release.indices if path.startswith(f"{component}/binary-")}
    found = [name for name in (*architectures, "all") if name in listed]
    if not listed or not found:
        raise KubedebError(
            f"{release.suite} has no index of {component} for {', '.join(architectures)}",
            details=f"In the repository {apt.uri}\nIt has: {', '.join(sorted(listed)) or 'none'};"
            f" components: {', '.join(release.components)}", code=ExitCode.FOREIGN,
        )  # fmt: skip
    return found


def _offer(apt: AptRepository, release: Release, stanza: object, read: Callable[..., Offer]) -> Offer:
    try:
        return read(release, stanza)
    except ValueError as error:
        label = " ".join(str(stanza.get(name, "?"))[:80] for name in ("Package", "Version"))  # type: ignore[attr-defined]
        raise KubedebError(
            f"what {release.suite} says of {label} is not valid: {error}", details=f"In the repository {apt.uri}",
            hint="Nothing was taken. Choose what to take with a query, or tell its owner.", code=ExitCode.FOREIGN,
        ) from error  # fmt: skip
