from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import Bench, bench
from kubedeb.progress import progress

# A run fsyncs its journal a hundred times, and these tests run it hundreds of times.
MEMORY = Path("/dev/shm")


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, prefix="kubedeb-bench-") as top:

        def build(**options: str) -> Bench:
            return bench(Path(tempfile.mkdtemp(dir=top)), show=progress(io.StringIO()), **options)

        yield build
