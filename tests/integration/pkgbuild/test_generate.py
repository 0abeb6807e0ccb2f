"""The script that makes source files, or takes them as they were made before, run by the real sh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import pkgbuild
from kubedeb.errors import ExitCode
from kubedeb.process import Result, run

GENERATE = Path(pkgbuild.__file__).parent / "generate.sh"
SCRIPT = """echo run >>"$RUNS"; test -d "$SCRATCH"; mkdir -p made; cat source >made/file; cat source >left-over\n"""


@dataclass(frozen=True)
class Bench:
    """A folder of sources, a script outside of it, a compile cache; every run of the script leaves a line in `runs`."""

    folder: Path

    def sources(self, text: str) -> Path:
        """Return a new source tree with one file."""
        folder = self.folder / f"sources-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        (folder / "source").write_text(text)
        return folder

    def generate(self, sources: Path, *makes: str, cache: bool = True) -> Result:
        """Run generate.sh there."""
        env = {"GO": "/usr/bin/go", "RUNS": str(self.folder / "runs")}
        if cache:
            (self.folder / "cache").mkdir(exist_ok=True)
            env["KUBEDEB_GOCACHE"] = str(self.folder / "cache")
        argv: list[str | Path] = ["sh", GENERATE, self.folder / "script", *(makes or ("made/file",))]
        return run(argv, code=ExitCode.BUILD, ok=(0, 1, 2), env=env, cwd=sources)

    @property
    def runs(self) -> int:
        """Return how often the script ran."""
        return len((self.folder / "runs").read_text().splitlines())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "script").write_text(SCRIPT)
    return Bench(tmp_path)


def test_the_same_sources_are_generated_once(bench: Bench) -> None:
    assert bench.generate(bench.sources("one")).status == 0
    again = bench.sources("one")
    assert bench.generate(again).status == 0
    assert (bench.runs, (again / "made/file").read_text()) == (1, "one")
    assert not (again / "left-over").exists(), "only what the recipe names is kept"


def test_another_source_another_script_and_another_list_are_generated_anew(bench: Bench) -> None:
    bench.generate(bench.sources("one"))
    other = bench.sources("two")
    bench.generate(other)
    assert (bench.runs, (other / "made/file").read_text()) == (2, "two")
    linked = bench.sources("two")
    (linked / "link").symlink_to("source")
    bench.generate(linked)
    assert bench.runs == 3
    bench.generate(bench.sources("two"), "made/file", "left-over")
    assert bench.runs == 4
    (bench.folder / "script").write_text(SCRIPT + "true\n")
    bench.generate(bench.sources("two"), "made/file", "left-over")
    assert bench.runs == 5
    assert len(list((bench.folder / "cache/generated").iterdir())) == 1, "of older ones nothing is kept"


def test_without_a_cache_nothing_is_kept(bench: Bench) -> None:
    for _ in range(2):
        bench.generate(bench.sources("one"), cache=False)
    assert bench.runs == 2
    assert not (bench.folder / "cache").exists()


def test_what_fails_or_is_not_made_is_told_and_not_kept(bench: Bench) -> None:
    missing = bench.generate(bench.sources("one"), "made/other")
    assert missing.status == 1
    assert "did not make made/other" in missing.stderr.decode()
    (bench.folder / "script").write_text("false\ntouch made\n")
    assert bench.generate(bench.sources("one")).status == 1
    assert not (bench.folder / "cache/generated").exists()
