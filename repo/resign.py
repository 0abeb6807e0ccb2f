"""`kubedeb repo resign`: a generation with the same packages, a new Date and a new Valid-Until; for a timer."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from kubedeb.errors import ExitCode, KubedebError
from repo.audit import Why
from repo.live import Live, read_live
from repo.place import Repository
from repo.publish import Published, Wish, as_it_is, publish_together
from repo.transaction import Say

# With less than this part of its validity left, a Release is due.
DUE = 0.5


def due(live: Live, now: float) -> bool:
    """Return whether less than half of a live Release's validity is left; never when it does not expire."""
    until = live.release.fields.get("Valid-Until")
    if until is None:
        return False
    end = parsedate_to_datetime(until).timestamp()
    return end - now < DUE * (end - live.date)


def resign(repository: Repository, suite_name: str, say: Say, *, only_due: bool = False) -> Published | None:
    """Sign a suite again; None when `only_due` and it is not. Raises `KubedebError` as `publish` does."""
    live = read_live(repository, repository.suite(suite_name).name)
    if live is None:
        raise KubedebError(f"suite {suite_name} was never published", hint=f"kubedeb repo publish {suite_name}",
                           code=ExitCode.REPOSITORY)  # fmt: skip
    if only_due and not due(live, time.time()):
        return None
    wish = Wish(suite_name, as_it_is, Why("resign"), asked="signed again")
    return publish_together(repository, [wish], say)[0]
