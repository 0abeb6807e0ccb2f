"""The archive's keys as values: their states, which step leads where, and when a step would break clients. Pure.

A key is introduced (clients get it, it does not sign), signs beside the old one (overlap), and the old one is retired when
every client can have the new one. apt is content with one good signature, so during the overlap both kinds of client are
served (apt-secure(8), and measured).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import Enum

from kubedeb.records import frozen

DAY = 86400
# A key that expires within this time fails `--strict`: so long it takes to bring a new one to every machine.
EXPIRY_AHEAD = 180 * DAY
# So long a keyring package with the next key must have been offered before the old key may go.
OFFERED_FOR = 30 * DAY


class State(Enum):
    """What a key does: `introduced` and `signing` keys are in the clients' keyring, `signing` ones sign."""

    INTRODUCED = "introduced"
    SIGNING = "signing"
    RETIRED = "retired"
    REVOKED = "revoked"


class Step(Enum):
    """What an operator does with a key."""

    INTRODUCE = "introduce"
    OVERLAP = "overlap"
    RETIRE = "retire"
    REVOKE = "revoke"


class How(Enum):
    """Who holds the secret: the repository's own gpg home, another gpg home with its agent, or a command."""

    HOME = "home"
    AGENT = "agent"
    COMMAND = "command"


# Every step that there is; a step that leads to the state a key has already completes one that was interrupted.
TRANSITIONS: dict[tuple[Step, State | None], State] = {
    (Step.INTRODUCE, None): State.INTRODUCED,
    (Step.OVERLAP, State.INTRODUCED): State.SIGNING,
    (Step.OVERLAP, State.SIGNING): State.SIGNING,
    (Step.RETIRE, State.INTRODUCED): State.RETIRED,
    (Step.RETIRE, State.SIGNING): State.RETIRED,
    (Step.RETIRE, State.RETIRED): State.RETIRED,
    (Step.REVOKE, State.INTRODUCED): State.REVOKED,
    (Step.REVOKE, State.SIGNING): State.REVOKED,
    (Step.REVOKE, State.RETIRED): State.REVOKED,
    (Step.REVOKE, State.REVOKED): State.REVOKED,
}


class RotationError(ValueError):
    """A step that does not exist, or that would break clients; `forcible` when an operator may insist."""

    def __init__(self, problem: str, *, forcible: bool = False) -> None:
        super().__init__(problem)
        self.forcible = forcible


@frozen
class ArchiveKey:
    """A key of the archive. Times are seconds since the epoch; `expires` 0: never.

    `offered`: since when each suite has served a keyring package with this key. `home` is the gpg home of an `AGENT` key.
    """

    fingerprint: str
    state: State
    since: int
    expires: int = 0
    how: How = How.HOME
    home: str = ""
    offered: Mapping[str, int] = field(default_factory=dict)


@frozen
class Keyset:
    """All keys that the archive ever had, the oldest first."""

    keys: tuple[ArchiveKey, ...]

    def get(self, fingerprint: str) -> ArchiveKey | None:
        """Return a key by its fingerprint."""
        return next((key for key in self.keys if key.fingerprint == fingerprint), None)

    def in_state(self, *states: State) -> tuple[ArchiveKey, ...]:
        """Return the keys that are in one of `states`."""
        return tuple(key for key in self.keys if key.state in states)

    @property
    def signing(self) -> tuple[ArchiveKey, ...]:
        """Return the keys that sign."""
        return self.in_state(State.SIGNING)

    @property
    def for_clients(self) -> tuple[ArchiveKey, ...]:
        """Return the keys that clients shall have."""
        return self.in_state(State.INTRODUCED, State.SIGNING)

    @property
    def known(self) -> tuple[ArchiveKey, ...]:
        """Return the keys that the repository believes itself: the retired ones too, which signed what is past."""
        return self.in_state(State.INTRODUCED, State.SIGNING, State.RETIRED)

    def put(self, key: ArchiveKey) -> Keyset:
        """Return the keys with `key` in the place of the one of its fingerprint, or at the end."""
        if self.get(key.fingerprint) is None:
            return Keyset((*self.keys, key))
        return Keyset(tuple(key if one.fingerprint == key.fingerprint else one for one in self.keys))

    def find(self, text: str) -> ArchiveKey:
        """Return the one key whose fingerprint ends with `text`. Raises `RotationError` with the keys there are."""
        found = [key for key in self.keys if text and key.fingerprint.endswith(text.upper().replace(" ", ""))]
        if len(found) != 1:
            known = ", ".join(f"{key.fingerprint} ({key.state.value})" for key in self.keys)
            raise RotationError(f"{'no' if not found else 'more than one'} key is called {text!r}; there are {known}")
        return found[0]


@frozen
class Facts:
    """What decides whether a step is safe: the clock, who signed what is served, which keys each live keyring package has.

    `signers` has the named snapshots too; `packaged` the suites alone, because only these move.
    """

    now: int
    signers: Mapping[str, frozenset[str]]
    packaged: Mapping[str, frozenset[str]]


def take(keys: Keyset, step: Step, fingerprint: str, now: int) -> Keyset:
    """Return the keys after a step. Raises `RotationError` when it does not lead anywhere from the key's state."""
    key = keys.get(fingerprint)
    target = TRANSITIONS.get((step, key.state if key else None))
    if target is None or key is None:
        raise RotationError(f"{fingerprint} is {key.state.value if key else 'not known'}: it cannot {step.value}")
    if target is key.state:
        return keys
    after = keys.put(replace(key, state=target, since=now))
    if step is Step.REVOKE and not after.signing:
        # An emergency: what clients may have already takes over at once.
        after = Keyset(tuple(replace(one, state=State.SIGNING, since=now) if one.state is State.INTRODUCED else one
                             for one in after.keys))  # fmt: skip
    return after


def refuse(keys: Keyset, step: Step, fingerprint: str, facts: Facts, offered_for: int = OFFERED_FOR) -> None:
    """Raise `RotationError` when a step would break clients: `forcible` where only some may, and only now."""
    after = take(keys, step, fingerprint, facts.now)
    key = keys.get(fingerprint)
    if not after.signing:
        raise RotationError(f"{fingerprint} is the only key that signs; introduce another one first")
    if step is Step.OVERLAP and key is not None and expired(key, facts.now):
        raise RotationError(f"{fingerprint} has expired")
    if step is Step.REVOKE:
        raise RotationError(f"clients that have no key but {fingerprint} will refuse every suite", forcible=True)
    if step is Step.RETIRE and key is not None and key.state is State.SIGNING:
        _refuse_to_retire(after, facts, offered_for)


def _refuse_to_retire(after: Keyset, facts: Facts, offered_for: int) -> None:
    left = {key.fingerprint: key for key in after.signing if not expired(key, facts.now)}
    unsigned = [suite for suite, signers in facts.signers.items() if signers.isdisjoint(left)]
    if unsigned:
        raise RotationError(
            f"what {', '.join(unsigned)} serves is signed by no key that would be left; `overlap` the next key first"
        )
    late = [suite for suite in facts.packaged
            if not any(_offered(key, suite, facts, offered_for) for key in left.values())]  # fmt: skip
    if late:
        raise RotationError(
            f"{', '.join(late)}: a keyring package with the next key has not been offered for {offered_for // DAY} days,"
            " so there may be clients that have the old key alone",
            forcible=True,
        )


def _offered(key: ArchiveKey, suite: str, facts: Facts, offered_for: int) -> bool:
    since = key.offered.get(suite)
    packaged = key.fingerprint in facts.packaged.get(suite, ())
    return packaged and since is not None and facts.now - since >= offered_for


def offer(keys: Keyset, suite: str, fingerprints: Iterable[str], now: int) -> Keyset:
    """Return the keys after a suite's keyring package with `fingerprints` went live: the first time counts."""
    wanted = set(fingerprints)
    return Keyset(tuple(
        replace(key, offered={suite: now, **key.offered}) if key.fingerprint in wanted else key for key in keys.keys
    ))  # fmt: skip


def expired(key: ArchiveKey, now: float) -> bool:
    """Return whether a key has expired."""
    return bool(key.expires) and key.expires <= now


def expiring(keys: Keyset, now: float, ahead: int = EXPIRY_AHEAD) -> tuple[ArchiveKey, ...]:
    """Return the signing keys that expire within `ahead` seconds, or have."""
    return tuple(key for key in keys.signing if key.expires and key.expires - now < ahead)
