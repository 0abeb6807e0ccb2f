from __future__ import annotations

from dataclasses import replace

import pytest

from repo.keyset import parse, to_text
from repo.rotation import (
    DAY,
    EXPIRY_AHEAD,
    TRANSITIONS,
    ArchiveKey,
    Facts,
    How,
    Keyset,
    RotationError,
    State,
    Step,
    expiring,
    offer,
    refuse,
    take,
)  # fmt: skip

INTRODUCED, SIGNING, RETIRED, REVOKED = State
NOW = 100 * DAY
OLD, NEW = "A" * 40, "B" * 40
# The state that a key of each state has after a step; what is not here is refused.
EXPECTED = {
    Step.OVERLAP: {INTRODUCED: SIGNING, SIGNING: SIGNING},
    Step.RETIRE: {INTRODUCED: RETIRED, SIGNING: RETIRED, RETIRED: RETIRED},
    Step.REVOKE: {INTRODUCED: REVOKED, SIGNING: REVOKED, RETIRED: REVOKED, REVOKED: REVOKED},
    Step.INTRODUCE: {},
}


def keys(old: State, new: State, **about: object) -> Keyset:
    return Keyset((ArchiveKey(OLD, old, 1), ArchiveKey(NEW, new, 2, **about)))  # type: ignore[arg-type]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_every_step_from_every_state(step: Step, state: State) -> None:
    before = keys(SIGNING, state)
    target = EXPECTED[step].get(state)
    assert TRANSITIONS.get((step, state)) is target
    if target is None:
        with pytest.raises(RotationError):
            take(before, step, NEW, NOW)
        return
    after = take(before, step, NEW, NOW).find("BBBB")
    assert (after.state, after.since) == (target, 2 if target is state else NOW)


def test_a_key_that_nobody_knows_takes_no_step() -> None:
    for step in Step:
        with pytest.raises(RotationError):
            take(keys(SIGNING, SIGNING), step, "C" * 40, NOW)


def test_the_introduced_key_takes_over_when_the_only_one_is_revoked() -> None:
    after = take(keys(SIGNING, INTRODUCED), Step.REVOKE, OLD, NOW)
    assert [key.state for key in after.keys] == [REVOKED, SIGNING]
    assert take(keys(SIGNING, SIGNING), Step.REVOKE, OLD, NOW).signing == keys(REVOKED, SIGNING).signing


BOTH, ONLY_OLD = {"s": frozenset({OLD, NEW})}, {"s": frozenset({OLD})}
HAS_NEW, HAS_NOT = {"s": frozenset({OLD, NEW})}, {"s": frozenset({OLD})}
LONG, SHORT = {"s": NOW - 30 * DAY}, {"s": NOW - 30 * DAY + 1}
# What is asked of two keys in these states, and the facts; what must be said, and whether --yes goes past it.
CASES = [
    (Step.RETIRE, keys(SIGNING, SIGNING, offered=LONG), Facts(NOW, BOTH, HAS_NEW), "", False),
    (Step.RETIRE, keys(SIGNING, SIGNING, offered=SHORT), Facts(NOW, BOTH, HAS_NEW), "offered for 30 days", True),
    (Step.RETIRE, keys(SIGNING, SIGNING, offered=LONG), Facts(NOW, BOTH, HAS_NOT), "offered for 30 days", True),
    (Step.RETIRE, keys(SIGNING, SIGNING), Facts(NOW, BOTH, HAS_NEW), "offered for 30 days", True),
    (Step.RETIRE, keys(SIGNING, SIGNING), Facts(NOW, {}, {}), "", False),
    (Step.RETIRE, keys(SIGNING, SIGNING, offered=LONG), Facts(NOW, ONLY_OLD, HAS_NEW), "is signed by no key", False),
    (Step.RETIRE, keys(SIGNING, SIGNING, offered=LONG, expires=NOW), Facts(NOW, BOTH, HAS_NEW), "is signed by no key", False),
    (Step.RETIRE, keys(SIGNING, INTRODUCED, offered=LONG), Facts(NOW, ONLY_OLD, HAS_NEW), "the only key that signs", False),
    (Step.OVERLAP, keys(RETIRED, INTRODUCED), Facts(NOW, ONLY_OLD, HAS_NEW), "it cannot overlap", False),
    (Step.REVOKE, keys(SIGNING, RETIRED), Facts(NOW, ONLY_OLD, HAS_NEW), "the only key that signs", False),
    (Step.REVOKE, keys(SIGNING, INTRODUCED), Facts(NOW, ONLY_OLD, HAS_NEW), "will refuse every suite", True),
]  # fmt: skip


@pytest.mark.parametrize(("step", "before", "facts", "said", "forcible"), CASES)
def test_what_would_break_clients_is_refused(step: Step, before: Keyset, facts: Facts, said: str, forcible: bool) -> None:
    if not said:
        refuse(before, step, OLD, facts)
        return
    with pytest.raises(RotationError, match=said) as caught:
        refuse(before, step, OLD, facts)
    assert caught.value.forcible is forcible


def test_an_expired_key_does_not_overlap() -> None:
    with pytest.raises(RotationError, match="has expired"):
        refuse(keys(SIGNING, INTRODUCED, expires=NOW), Step.OVERLAP, NEW, Facts(NOW, ONLY_OLD, HAS_NEW))


def test_the_first_offer_counts() -> None:
    once = offer(keys(SIGNING, INTRODUCED), "s", [NEW], 10)
    twice = offer(once, "s", [OLD, NEW], 20)
    assert [dict(key.offered) for key in twice.keys] == [{"s": 20}, {"s": 10}]


@pytest.mark.parametrize(
    ("expires", "found"), [(0, False), (NOW + EXPIRY_AHEAD, False), (NOW + EXPIRY_AHEAD - 1, True), (NOW, True)]
)
def test_signing_keys_that_expire_are_found_half_a_year_ahead(expires: int, found: bool) -> None:
    assert bool(expiring(keys(SIGNING, SIGNING, expires=expires), NOW)) is found
    assert not expiring(keys(SIGNING, RETIRED, expires=expires), NOW)


@pytest.mark.parametrize(("text", "problem"), [("", "no key"), ("A" * 39 + "C", "no key"), ("a" * 4, "")])
def test_a_key_is_found_by_the_end_of_its_fingerprint(text: str, problem: str) -> None:
    if problem:
        with pytest.raises(RotationError, match=problem):
            keys(SIGNING, SIGNING).find(text)
    else:
        assert keys(SIGNING, SIGNING).find(text).fingerprint == OLD
    with pytest.raises(RotationError, match="more than one"):
        Keyset((ArchiveKey("1A", SIGNING, 1), ArchiveKey("2A", SIGNING, 1))).find("a")


def test_the_file_says_what_was_written() -> None:
    before = keys(RETIRED, SIGNING, expires=5, how=How.AGENT, home="/h", offered={"s": 7})
    assert parse(to_text(before)) == before
    for damaged in ("", "[]", "{}", '{"format": 2, "keys": []}', to_text(before).replace("retired", "tired"),
                    to_text(before).replace("since", "hence")):  # fmt: skip
        with pytest.raises(ValueError, match=r"Expecting|not a list|not of format|is not a valid State"):
            parse(damaged)


def test_who_is_in_which_keyring() -> None:
    every = Keyset(tuple(replace(ArchiveKey(state.value, state, 1)) for state in State))
    assert [key.fingerprint for key in every.for_clients] == ["introduced", "signing"]
    assert [key.fingerprint for key in every.known] == ["introduced", "signing", "retired"]
