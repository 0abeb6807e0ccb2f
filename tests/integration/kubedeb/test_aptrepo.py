"""Whose signature is believed: the reader of apt repositories against real gpg keys."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubedeb.aptrepo import verified
from kubedeb.errors import ExitCode, KubedebError

TEXT = "Origin: example\nSuite: bookworm\n"


class Keys:
    """A gpg home with three keys: `good`, `other`, and `old`, which expired in 2020."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for name, time in (("good", ()), ("other", ()), ("old", ("--faked-system-time", "20200101T000000"))):
            self.gpg(*time, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "1d" if time else "never")

    def gpg(self, *arguments: str, stdin: str = "") -> bytes:
        command = ["gpg", "--homedir", self.home, "--batch", "--quiet", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, input=stdin.encode(), check=True, capture_output=True).stdout

    def signed(self, *names: str) -> bytes:
        users = [word for name in names for word in ("--local-user", name)]
        time = ("--faked-system-time", "20200101T010000") if "old" in names else ()
        return self.gpg(*time, *users, "--clearsign", stdin=TEXT)

    def keyring(self, *names: str) -> Path:
        path = self.home / ("-".join(names) + ".gpg")
        path.write_bytes(self.gpg("--export", *names))
        return path


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    with tempfile.TemporaryDirectory(prefix="kubedeb-keys-", ignore_cleanup_errors=True) as folder:
        try:
            yield Keys(Path(folder))
        finally:
            subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=False)


@pytest.mark.parametrize(
    ("signers", "trusted"), [(("good",), ("good",)), (("good", "other"), ("good",)), (("good",), ("good", "other"))]
)
def test_one_known_good_signature_is_enough(keys: Keys, signers: tuple[str, ...], trusted: tuple[str, ...]) -> None:
    document = keys.signed(*signers)
    assert verified(document, keys.keyring(*trusted), code=ExitCode.VERIFY) == TEXT
    # As apt: whatever stands around it makes it no signed document.
    for around in (b"Origin: evil\n\n" + document, document + b"\n", document + b"x", document + document):
        with pytest.raises(KubedebError, match="the signature of InRelease is not good"):
            verified(around, keys.keyring(*trusted), code=ExitCode.VERIFY)


@pytest.mark.parametrize(
    ("signers", "trusted", "change"),
    [
        (("other",), ("good",), (b"", b"")),
        (("old",), ("old",), (b"", b"")),
        (("good",), ("good",), (b"bookworm", b"bookw0rm")),
        (("good",), ("good",), (b"-----BEGIN PGP SIGNED MESSAGE-----", b"")),
    ],
)
def test_is_not_believed(keys: Keys, signers: tuple[str, ...], trusted: tuple[str, ...], change: tuple[bytes, bytes]) -> None:
    with pytest.raises(KubedebError, match="the signature of InRelease is not good") as error:
        verified(keys.signed(*signers).replace(*change), keys.keyring(*trusted), code=ExitCode.VERIFY)
    assert error.value.code == ExitCode.VERIFY


def test_one_bad_signature_is_too_many(keys: Keys) -> None:
    good = keys.signed("good").decode()
    stranger = keys.gpg("--local-user", "other", "--clearsign", stdin="Origin: something else\n").decode()

    def packet(document: str) -> bytes:
        armor = document.partition("-----BEGIN PGP SIGNATURE-----\n\n")[2]
        return base64.b64decode(armor.partition("\n=")[0])

    head = good.partition("-----BEGIN PGP SIGNATURE-----")[0]
    both = base64.b64encode(packet(good) + packet(stranger)).decode()
    document = f"{head}-----BEGIN PGP SIGNATURE-----\n\n{both}\n-----END PGP SIGNATURE-----\n".encode()
    assert verified(document, keys.keyring("good"), code=ExitCode.VERIFY) == TEXT
    with pytest.raises(KubedebError, match="is not good"):
        verified(document, keys.keyring("good", "other"), code=ExitCode.VERIFY)


def test_a_weak_digest_is_not_believed(keys: Keys) -> None:
    document = keys.gpg("--digest-algo", "SHA1", "--local-user", "good", "--clearsign", stdin=TEXT)
    with pytest.raises(KubedebError, match="is not good"):
        verified(document, keys.keyring("good"), code=ExitCode.VERIFY)


def test_what_is_no_signed_text_is_not_believed(keys: Keys) -> None:
    for document in (b"", TEXT.encode(), keys.gpg("--sign", "--local-user", "good", stdin=TEXT)[:20]):
        with pytest.raises(KubedebError):
            verified(document, keys.keyring("good"), code=ExitCode.VERIFY)
