"""Upstream's signatures decide, wherever a file comes from: a server, the cache, a shared cache, a folder or a kit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from upstream import Upstream, serving

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import progress
from pkgbuild import signed
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.download import Downloads, Patience
from pkgbuild.fetch import Network, apt_archive, fetch, fetch_all
from pkgbuild.requestlog import RequestLog
from pkgbuild.sharedcache import SharedCache
from pkgbuild.spec import SignaturePin, SourcePin
from signers import Signers, signers

FILE, DATA = "etcd-v3.5.17-linux-amd64.tar.gz", b"a release"
SHA256 = Checksum.sha256(hashlib.sha256(DATA).hexdigest())
SIGNED: dict[str, tuple[str, bytes, str]] = {
    "good": ("upstream", DATA, ""),
    "a stranger's": ("stranger", DATA, "it was made with the key"),
    "of other bytes": ("upstream", b"other", "did not sign these bytes"),
    "with an expired key": ("expired", DATA, "is expired"),
}
BAD = [what for what, (_, _, message) in SIGNED.items() if message]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signers]:
    with signers(tmp_path_factory.mktemp("keys") / "gpg") as found:
        yield found


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving() as server:
        server.add(f"/{FILE}", DATA)
        yield server


def pin(url: str, keyring: str) -> SourcePin:
    signature = SignaturePin(f"{url}/{FILE}.asc", keyring)
    return SourcePin("archive", "etcd", "3.5.17", SHA256, "amd64", file=FILE, url=f"{url}/{FILE}", signature=signature)


def net(cache: Cache, *, offline: bool = False) -> Network:
    log = RequestLog(cache.folder)
    return Network(apt_archive(""), Downloads(log, (), Patience(attempts=1, pause=0.01, silence=3)), log, offline)


def bring(cache: Cache, one: SourcePin, said: io.StringIO | None = None, *, offline: bool = False) -> None:
    assert fetch([one], cache, net(cache, offline=offline), progress(said or io.StringIO())) == {}


def holding(folder: Path) -> Cache:
    """Return a cache that has the file and nobody's word for it."""
    cache = Cache(folder / "cache")
    (folder / "file").write_bytes(DATA)
    cache.adopt(folder / "file", SHA256)
    return cache


@pytest.mark.parametrize("what", SIGNED)
def test_what_a_server_sends(what: str, upstream: Upstream, keys: Signers, tmp_path: Path) -> None:
    who, data, message = SIGNED[what]
    upstream.add(f"/{FILE}.asc", keys.sign(who, data))
    one, cache = pin(upstream.url, keys.keyring("upstream", "expired")), Cache(tmp_path)
    if not message:
        bring(cache, one)
        assert cache.path(SHA256).read_bytes() == DATA
        return
    with pytest.raises(KubedebError) as raised:
        bring(cache, one)
    assert raised.value.code is ExitCode.SOURCE_MISMATCH
    assert raised.value.brief.startswith(f"the signature of {FILE} is not good: ")
    assert message in raised.value.brief
    assert not cache.path(SHA256).exists()
    assert signed.held(one, cache) is None


@pytest.mark.parametrize("what", BAD)
def test_what_the_cache_holds_does_not_pass_by(what: str, upstream: Upstream, keys: Signers, tmp_path: Path) -> None:
    who, data, message = SIGNED[what]
    cache, one = holding(tmp_path), pin(upstream.url, keys.keyring("upstream", "expired"))
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / f"{FILE}.asc").write_bytes(keys.sign(who, data))
    assert signed.prefill(tmp_path / "kit", [one], cache) == [tmp_path / "kit" / f"{FILE}.asc"]
    other = SourcePin("archive", "other", "1", SHA256, "amd64", file="other", url=f"{upstream.url}/{FILE}")
    for offline in (True, False):
        lost = fetch_all([one, other], cache, net(cache, offline=offline), progress(io.StringIO()))
        assert {bad: error.code for bad, error in lost.items()} == {one: ExitCode.SOURCE_MISMATCH}
        assert message in lost[one].brief
        assert f"rm {cache.folder / signed.place(one)}" in lost[one].hint
    assert upstream.seen == []
    (cache.folder / signed.place(one)).unlink()
    upstream.add(f"/{FILE}.asc", keys.sign("upstream", DATA))
    bring(cache, one)


def test_what_was_found_good_is_not_asked_again(
    upstream: Upstream, keys: Signers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.add(f"/{FILE}.asc", keys.sign("upstream", DATA))
    cache, one = holding(tmp_path), pin(upstream.url, keys.keyring("upstream"))
    asked: list[str] = []
    verify = signed.verify
    monkeypatch.setattr(signed, "verify", lambda *words: asked.append(words[2]) or verify(*words))
    for _ in range(2):
        bring(cache, one)
    bring(cache, one, offline=True)
    assert [seen.path for seen in upstream.seen] == [f"/{FILE}.asc"]
    assert asked == [keys.keyring("upstream")]
    with pytest.raises(KubedebError, match="which is not in the recipe's keyring"):  # what is asked of it has changed
        bring(cache, pin(upstream.url, keys.keyring("stranger")), offline=True)
    assert len(asked) == 2


def test_a_signature_that_is_nowhere_is_said(upstream: Upstream, keys: Signers, tmp_path: Path) -> None:
    cache, one = holding(tmp_path), pin(upstream.url, keys.keyring("upstream"))
    for offline, why in ((True, "it is not in the cache, and the network is off"), (False, f"cannot fetch {upstream.url}")):
        said = io.StringIO()
        bring(cache, one, said, offline=offline)
        assert f"The signature of {one} was not checked: {why}" in said.getvalue()
    assert list(cache.folder.glob("verified/*")) == []
    (cache.path(SHA256)).unlink()
    lost = fetch([one], cache, net(cache), progress(io.StringIO()))  # what comes anew needs it
    assert {bad: error.code for bad, error in lost.items()} == {one: ExitCode.SOURCE_GONE}


@pytest.mark.parametrize("who", ["upstream", "stranger"])
def test_a_shared_cache_has_signatures_too(who: str, upstream: Upstream, keys: Signers, tmp_path: Path) -> None:
    shared, one = SharedCache((tmp_path / "shared").as_uri()), pin(upstream.url, keys.keyring("upstream"))
    upstream.add(f"/{FILE}.asc", keys.sign("upstream", DATA))
    bring(Cache(tmp_path / "a", shared), one)
    assert (tmp_path / "shared" / signed.place(one)).exists()
    assert not (tmp_path / "shared/verified").exists()  # nobody takes another's word
    (tmp_path / "shared" / signed.place(one)).write_bytes(keys.sign(who, DATA))
    if who == "upstream":
        bring(Cache(tmp_path / "b", shared), one, offline=True)
        assert len(list((tmp_path / "b/verified").iterdir())) == 1
    else:
        with pytest.raises(KubedebError, match="it was made with the key"):
            bring(Cache(tmp_path / "b", shared), one, offline=True)
