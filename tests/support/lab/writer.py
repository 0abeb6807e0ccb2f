"""A write load on an etcd cluster, as a process of its own that knows nothing of upgrades.

`python -m lab.writer LOG URL…` writes unique keys through the members' own endpoints until SIGTERM, appends every
acknowledged key to LOG as `TIME KEY`, and ends with one JSON line: acknowledged, errors, seconds, longest gap.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import requests

from lab.gateway import Gateway

PREFIX = "/kubedeb-writer/"
THREADS = 4
PAUSE = 0.015
"""Between two writes of a thread: about 200 a second in all."""
TIMEOUT = 1.0


@dataclass(frozen=True)
class Summary:
    """What a load did: writes acknowledged, requests that failed and were sent again, seconds, longest gap between answers."""

    acknowledged: int
    errors: int
    seconds: float
    longest_gap: float

    @property
    def rate(self) -> float:
        """Return the acknowledged writes a second."""
        return self.acknowledged / self.seconds


class Load:
    """The writing threads and what they count."""

    def __init__(self, urls: list[str], log: IO[str]) -> None:
        self._urls = urls
        self._log = log
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._acknowledged = self._errors = 0
        self._began = self._last = time.monotonic()
        self._gap = 0.0

    def run(self) -> Summary:
        """Write until `stop`."""
        threads = [threading.Thread(target=self._write, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        self._stop.wait()
        for thread in threads:
            thread.join()
        self._answered()
        seconds = time.monotonic() - self._began
        return Summary(self._acknowledged, self._errors, round(seconds, 3), round(self._gap, 3))

    def stop(self) -> None:
        """End the load."""
        self._stop.set()

    def _answered(self) -> None:
        now = time.monotonic()
        self._gap, self._last = max(self._gap, now - self._last), now

    def _write(self, number: int) -> None:
        members = [Gateway(url, TIMEOUT) for url in self._urls]
        turn, sequence = number, 0
        while not self._stop.wait(PAUSE):
            key = f"{PREFIX}{os.getpid()}/{number}/{sequence:08}"
            try:
                members[turn % len(members)].put(key, value_of(key))
            except requests.RequestException:
                # The outcome is unknown: the same key goes to the next member until one acknowledges it.
                turn += 1
                with self._lock:
                    self._errors += 1
                continue
            with self._lock:
                self._acknowledged += 1
                self._answered()
                self._log.write(f"{time.time():.6f} {key}\n")
                self._log.flush()
            sequence += 1


def value_of(key: str) -> str:
    """Return the value that belongs to a key, so that a wrong value is seen as a loss."""
    return hashlib.sha256(key.encode()).hexdigest()


class Writer:
    """Runs the load as a process while the block runs; `summary` is there afterwards."""

    def __init__(self, urls: list[str], log: Path) -> None:
        self.log = log
        self._argv = [sys.executable, "-m", "lab.writer", str(log), *urls]
        self.summary: Summary | None = None

    def __enter__(self) -> Writer:
        support = str(Path(__file__).parents[1])
        self._process = subprocess.Popen(
            self._argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": support}
        )
        return self

    def acknowledged(self) -> int:
        """Return how many writes were acknowledged until now."""
        return self.log.read_text().count("\n") if self.log.exists() else 0

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._process.send_signal(signal.SIGTERM)
        output, _ = self._process.communicate(timeout=30)
        if kind is None:
            self.summary = Summary(**json.loads(output))


def lost(url: str, log: Path) -> list[str]:
    """Return the acknowledged keys that the member at `url`, asked alone, does not hold with their value."""
    held = dict(Gateway(url, 30).range(PREFIX))
    keys = [line.split()[1] for line in log.read_text().splitlines()]
    return [key for key in keys if held.get(key) != value_of(key)]


def main(log: str, *urls: str) -> None:
    """Be the writing process."""
    with Path(log).open("a") as stream:
        load = Load(list(urls), stream)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: load.stop())
        summary = load.run()
    print(json.dumps(summary.__dict__))


if __name__ == "__main__":
    main(*sys.argv[1:])
