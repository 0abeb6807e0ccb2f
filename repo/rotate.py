"""`kubedeb repo key …`: take a step with a key, then sign again what is live, so that clients see it.

`keys.json` changes first, then each suite gets a generation; killed in between, the same command completes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kubedeb.armor import PUBLIC_KEY, binary
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from kubedeb.stanza import one
from repo.audit import Why
from repo.clientfiles import package_name
from repo.keys import Keys, shown, signers
from repo.keyset import read_keys, write_keys, write_public
from repo.naming import sign_again as sign_named_again
from repo.naming import signers_of_named
from repo.place import Repository
from repo.publish import Wish, as_it_is, publish_together
from repo.rotation import OFFERED_FOR, ArchiveKey, Facts, How, Keyset, RotationError, State, Step, refuse, take
from repo.settle import settle
from repo.signing import sign_with
from repo.snapshots import named
from repo.transaction import Say, Transaction, transaction

# The control field of a keyring package that names its keys.
KEYS_FIELD = "Kubedeb-Keys"


@frozen
class Stepped:
    """What a step did: the key as it is now, and the generations (suite, number) that were signed again."""

    key: ArchiveKey
    generations: tuple[tuple[str, int], ...] = ()


def introduce(repository: Repository, say: Say, *, expires_days: int = 0) -> Stepped:
    """Make a key of the repository's own; clients get it from now on, and it does not sign yet."""
    with transaction(repository, say) as opened:
        year = time.strftime("%Y", time.gmtime())
        fingerprint = repository.layout.keys.generate(f"{repository.identity.origin} archive signing key {year}", expires_days)
        return Stepped(_admit(opened, repository.layout.keys.public(fingerprint), How.HOME))


def bring(repository: Repository, say: Say, given: str, how: How, home: str = "") -> Stepped:
    """Introduce a key that is there already, or take a renewed one in the place of itself.

    `given` is a file with one secret key (HOME), a fingerprint in somebody's gpg home (AGENT), or a file with a public key
    (COMMAND). The key must sign before it is believed. Raises `KubedebError` (KEY).
    """
    with transaction(repository, say) as opened:
        if how is How.HOME:
            public = repository.layout.keys.public(repository.layout.keys.bring(Path(given)))
        elif how is How.AGENT:
            public = Keys.with_agent(home).public(given)
        else:
            try:
                public = binary(Path(given).read_bytes(), PUBLIC_KEY)
            except ValueError as error:
                raise KubedebError(f"{given} is no public key", details=str(error), code=ExitCode.KEY) from error
        home = str(Keys.with_agent(home).home) if how is How.AGENT else ""
        return Stepped(_admit(opened, public, how, home))


def _admit(opened: Transaction, public: bytes, how: How, home: str = "") -> ArchiveKey:
    """Add a key to the archive's, or renew what is known of it; then give it to clients."""
    layout = opened.repository.layout
    found = shown(public)
    if len(found) != 1:
        raise KubedebError(f"there must be exactly one public key, and there are {len(found)}", code=ExitCode.KEY)
    fingerprint, expires = next(iter(found.items()))
    keys, now = read_keys(opened.repository), int(time.time())
    known = keys.get(fingerprint)
    if known is not None and known.state in (State.RETIRED, State.REVOKED):
        raise KubedebError(f"the key {fingerprint} is {known.state.value}; it does not come back", code=ExitCode.KEY)
    fresh = known or ArchiveKey(fingerprint, State.INTRODUCED, now)
    key = replace(fresh, expires=expires or 0, how=how, home=home)
    _must_sign(layout.keys, key, public)
    write_public(layout, fingerprint, public)
    write_keys(layout, keys.put(key))
    tell_clients(opened)
    return key


def _must_sign(own: Keys, key: ArchiveKey, public: bytes) -> None:
    """Raise `KubedebError` (KEY) when the key's holder does not sign so that the public key verifies it."""
    import tempfile

    text = "Origin: kubedeb\nDescription: a text to try a key with\n"
    with tempfile.TemporaryDirectory(prefix="kubedeb-key-") as folder:
        ring, document = Path(folder, "key.gpg"), Path(folder, "Release")
        ring.write_bytes(public)
        document.write_text(text)
        signed = sign_with(own, [key], text)
        good = (signers(signed.inline, ring), signers(signed.detached, ring, document))
    if not all(good):
        raise KubedebError(f"the key {key.fingerprint} does not sign", code=ExitCode.KEY,
                           hint="Is it the right public key? Has it expired?")  # fmt: skip


def tell_clients(opened: Transaction) -> None:
    """Put the clients' keyring where they get it from."""
    for suite in opened.repository.identity.suites:
        if suite.name in opened.lives:
            settle(opened, suite, opened.lives[suite.name])


def step(
    repository: Repository, say: Say, wanted: Step, text: str, *, force: bool = False, offered_for: int = OFFERED_FOR
) -> Stepped:
    """Take a step with the key whose fingerprint ends with `text`, and sign every suite again as the keys then are.

    Raises `KubedebError` (KEY) when clients would break; `force` goes past that where it may.
    """
    with transaction(repository, say) as opened:
        keys = read_keys(repository)
        try:
            fingerprint = keys.find(text).fingerprint
            facts = gather(opened)
            refuse(keys, wanted, fingerprint, facts, offered_for)
        except RotationError as error:
            if not (error.forcible and force):
                raise _refused(error) from error
            opened.say(f"warning: {error}")
        after = take(keys, wanted, fingerprint, facts.now)
        # While a suite is signed by a key that is being revoked, the repository must still believe it.
        between = after.put(replace(after.find(fingerprint), state=State.RETIRED)) if wanted is Step.REVOKE else after
        write_keys(repository.layout, between)
        tell_clients(opened)
    generations: list[tuple[str, int]] = []
    try:
        generations.extend(sign_again(repository, say, between, facts))
    except KubedebError as error:
        # A client refuses: while nothing is signed anew the keys can be as they were. One that was stolen stays revoked.
        if error.code is ExitCode.CLIENT and not generations and wanted is not Step.REVOKE:
            with transaction(repository, say) as opened:
                write_keys(repository.layout, keys)
                tell_clients(opened)
        raise
    if between != after:
        with transaction(repository, say) as opened:
            write_keys(repository.layout, after)
    return Stepped(after.find(fingerprint), tuple(generations))


def _refused(error: RotationError) -> KubedebError:
    hint = "With --yes it is done all the same." if error.forcible else ""
    return KubedebError(str(error), hint=hint or "Nothing was changed.", code=ExitCode.KEY)


def gather(opened: Transaction) -> Facts:
    """Read who signed what is live, and which keys the keyring packages of the suites have."""
    repository = opened.repository
    name = package_name(repository.identity)
    packaged: dict[str, frozenset[str]] = {}
    for suite, live in opened.lives.items():
        rows = named(live.snapshot, opened.load, name)
        packaged[suite] = frozenset(word for row in rows for word in one(row.stanza).get(KEYS_FIELD, "").split())
    found = {suite: signers(live.inrelease, repository.layout.keyring) for suite, live in opened.lives.items()}
    return Facts(int(time.time()), found | signers_of_named(repository), packaged)


def sign_again(repository: Repository, say: Say, keys: Keyset, facts: Facts) -> Iterator[tuple[str, int]]:
    """Sign again each suite and named snapshot that is not signed by exactly the signing keys; yield the suites."""
    wanted = frozenset(key.fingerprint for key in keys.signing)
    others = [suite for suite, found in facts.signers.items() if found != wanted]
    for suite in others:
        say(f"signing {suite} again")
        if suite in facts.packaged:
            wish = Wish(suite, as_it_is, Why("key"), asked="signed by other keys")
            yield suite, publish_together(repository, [wish], say)[0].generation
        else:
            with transaction(repository, say) as opened:
                sign_named_again(opened, suite)
