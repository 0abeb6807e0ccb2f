from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from repositories import VERSIONS, Made


@dataclass(frozen=True)
class Served:
    made: Made
    url: str
    process: subprocess.Popen[str]


@pytest.fixture
def served(published: Made) -> Iterator[Served]:
    command = [sys.executable, "-m", "kubedeb", "repo", "serve", "-r", str(published.root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield Served(published, line.split()[-1], process)
        finally:
            process.terminate()


def test_apt_is_served(served: Served) -> None:
    client = served.made.client("web", uri=served.url)
    assert client.update().clean
    assert client.versions() == list(VERSIONS)
    assert client.download("etcd-server", VERSIONS[0]).clean
    # What has not changed is not sent again, and what has is.
    assert "Hit:1" in client.update().text
    assert served.made.repo("verify", served.url, "--keyring", served.made.root / "keyring.gpg", "--suite", "bookworm") == 0


def test_times_ranges_and_what_is_not_served(served: Served) -> None:
    url = f"{served.url}dists/bookworm/Release"
    whole = requests.get(url, timeout=5)
    modified = whole.headers["Last-Modified"]
    assert requests.get(url, headers={"If-Modified-Since": modified}, timeout=5).status_code == 304
    part = requests.get(url, headers={"Range": "bytes=5-9", "If-Range": modified}, timeout=5)
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    assert part.headers["Content-Range"] == f"bytes 5-9/{len(whole.content)}"
    other = requests.get(url, headers={"Range": "bytes=5-9", "If-Range": "Mon, 01 Jan 2001 00:00:00 GMT"}, timeout=5)
    assert (other.status_code, other.content) == (200, whole.content)
    assert requests.get(url, headers={"Range": "bytes=99999-"}, timeout=5).status_code == 416
    assert whole.headers["Cache-Control"] == "no-cache"
    by_hash = next((served.made.public / "dists").rglob("by-hash/SHA256/*")).relative_to(served.made.public)
    assert "immutable" in requests.head(f"{served.url}{by_hash}", timeout=5).headers["Cache-Control"]
    for path in ("../repository.json", "%2e%2e/repository.json", "..%2fgnupg", "gnupg", "repository.json"):
        request = requests.Request("GET", served.url).prepare()
        request.url = served.url + path
        assert requests.Session().send(request, timeout=5).status_code == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly(served: Served, number: signal.Signals) -> None:
    requests.get(served.url + "kubedeb.sources", timeout=5)
    served.process.send_signal(number)
    assert served.process.wait(timeout=10) == 0
    assert served.process.stderr is not None
    log = served.process.stderr.read()
    assert '127.0.0.1 "GET /kubedeb.sources HTTP/1.1" 200' in log
    assert "Traceback" not in log
