"""Which farms are safe to use, and what the shared store holds when an upload dies."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.checksum import Algorithm, Checksum
from pkgbuild.farm import Farm
from pkgbuild.shared import Shared

TLS = (__file__,) * 3
SAFE = [
    Farm("tls://scheduler:8786", "/srv", *TLS), Farm("tcp://127.0.0.1:8786", "/srv"), Farm("tcp://[::1]:8786", "/srv"),
    Farm("tcp://localhost:8786", "/srv"), Farm("tcp://127.8.9.1:1", "s3://bucket/x"),
]  # fmt: skip
REFUSED = {
    "plain TCP to another machine": (Farm("tcp://10.0.0.1:8786", "/srv", *TLS), "runs whatever code it is sent"),
    "plain TCP to a name": (Farm("tcp://scheduler:8786", "/srv"), "plain TCP is for loopback only"),
    "plain TCP to a name that begins well": (Farm("tcp://localhost.example:8786", "/srv"), "plain TCP is for loopback only"),
    "every address": (Farm("tcp://0.0.0.0:8786", "/srv"), "plain TCP is for loopback only"),
    "no scheme": (Farm("scheduler:8786", "/srv", *TLS), "An address is tls://HOST:PORT."),
    "another scheme": (Farm("ws://127.0.0.1:8786", "/srv", *TLS), "An address is tls://HOST:PORT."),
    "no port": (Farm("tls://scheduler", "/srv", *TLS), "An address is tls://HOST:PORT."),
    "TLS without a key": (Farm("tls://scheduler:8786", "/srv", *TLS[:2]), "--farm-key"),
    "TLS with a key that is not there": (Farm("tls://scheduler:8786", "/srv", *TLS[:2], "/no.pem"), "no file /no.pem."),
    "nothing shared": (Farm("tls://scheduler:8786", "", *TLS), "--farm-store LOCATION"),
}


@pytest.mark.parametrize("farm", SAFE, ids=lambda farm: farm.address)
def test_safe(farm: Farm) -> None:
    farm.check()


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_the_reason(what: str) -> None:
    farm, reason = REFUSED[what]
    with pytest.raises(KubedebError) as raised:
        farm.check()
    assert raised.value.code is ExitCode.USAGE
    assert reason in raised.value.details


def folder(tmp_path: Path, **files: str) -> Path:
    made = tmp_path / "made"
    made.mkdir(exist_ok=True)
    for name, text in files.items():
        (made / name).write_text(text)
    return made


def test_a_result_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = folder(tmp_path, a="1", b="2", c="3")
    real = Shared._put
    left = 0

    def dies(self: Shared, file: Path, path: str) -> None:
        nonlocal left
        if left == 0:
            raise OSError("gone")
        left -= 1
        real(self, file, path)

    for files in range(3):
        left = files
        monkeypatch.setattr(Shared, "_put", dies)
        with pytest.raises(KubedebError, match="fails while sharing a result") as raised:
            Shared(str(tmp_path / "shared")).put_result("d", made)
        assert raised.value.code is ExitCode.BUILD_STORAGE
        assert not Shared(str(tmp_path / "shared")).has("d")
    monkeypatch.setattr(Shared, "_put", real)
    Shared(str(tmp_path / "shared")).put_result("d", made)
    Shared(str(tmp_path / "shared")).get_result("d", tmp_path / "got")
    assert {path.name: path.read_text() for path in (tmp_path / "got").iterdir()} == {"a": "1", "b": "2", "c": "3"}


def test_two_workers_results_do_not_mix(tmp_path: Path) -> None:
    shared = Shared(str(tmp_path / "shared"))
    shared.put_result("d", folder(tmp_path, a="one", b="one"))
    shared.put_result("d", folder(tmp_path, a="two", b="two"))
    shared.get_result("d", tmp_path / "got")
    assert {path.read_text() for path in (tmp_path / "got").iterdir()} == {"two"}


def test_a_record_cannot_name_files_outside(tmp_path: Path) -> None:
    shared = Shared(str(tmp_path / "shared"))
    shared.put_result("d", folder(tmp_path, a="1"))
    record = tmp_path / "shared/builds/d/result"
    record.write_text(record.read_text().replace('"a"', '"../../a"'))
    with pytest.raises(KubedebError, match="fails while fetching a result"):
        shared.get_result("d", tmp_path / "x/got")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_shared_file_is_checked(algorithm: Algorithm, tmp_path: Path) -> None:
    file = folder(tmp_path, a="abc") / "a"
    checksum = Checksum(algorithm, "").of(file)
    shared = Shared(f"memory://{tmp_path}")
    shared.put(file, checksum)
    assert shared.get(checksum, tmp_path / "got").read_text() == "abc"
    wrong = Checksum(algorithm, "0" * 64)
    shared.put(file, wrong)
    with pytest.raises(KubedebError) as raised:
        shared.get(wrong, tmp_path / "other")
    assert raised.value.code is ExitCode.SOURCE_MISMATCH
    assert not (tmp_path / "other").exists()


def test_a_location_that_nothing_opens_is_told(tmp_path: Path) -> None:
    with pytest.raises(KubedebError, match="fails while opening it"):
        Shared("gopher://x/y")


def test_an_error_of_ours_would_not_survive_the_way_back() -> None:
    error = pickle.dumps(KubedebError("x", code=ExitCode.BUILD))
    with pytest.raises(TypeError):  # which is why a worker answers with its parts
        pickle.loads(error)  # noqa: S301 - our own bytes
