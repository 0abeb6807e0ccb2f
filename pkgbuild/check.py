"""`--check`: the same spec once more with everything around it different; the packages must be the same bytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild import diffoscope, statement, variation
from pkgbuild.attest import reproduced
from pkgbuild.build import Workshop, make
from pkgbuild.otherorder import EMPTY, folder_in_memory
from pkgbuild.sandbox import PLAIN, TIME_LIMIT, Bind, OpenSandbox, Sandbox, SandboxKind, Surroundings
from pkgbuild.spec import Expanded
from pkgbuild.store import BuildResult

COMPARED = 3
"""Differing packages that diffoscope is asked about: one is mostly like the other."""
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime")


def check(expanded: Expanded, shop: Workshop, held: BuildResult, kind: SandboxKind, say: Callable[[str], object]) -> None:
    """Build a spec again, everything varied, compare with what the store holds, and state the verdict beside the packages.

    `say` is given each variation with both values. Raises `KubedebError`: SANDBOX when something could not be varied that
    docs/reproducibility.md does not list, BUILD when the packages differ.
    """
    first, not_varied = _seen(shop.sandbox), variation.impossible(kind, len(os.sched_getaffinity(0)))
    again = replace(shop, sandbox=_varied(shop.sandbox, kind, lambda second: _compare(first, second, not_varied, say)))
    with tempfile.TemporaryDirectory(dir=shop.store.folder, prefix=".check-") as name:
        packages, _, _ = make(expanded, again, Path(name), variation.SECOND, cached=False)
        before = {package.file: package.sha256 for package in held.packages}
        after = {package.file: package.sha256 for package in packages}
        differing = sorted(file for file in before.keys() | after.keys() if before.get(file) != after.get(file))
        shown = _differences([file for file in differing if file in before and file in after], Path(name), expanded, shop)
    verdict = statement.reproduced(variation.varied(not_varied), not_varied, same=not differing, against="second-build")
    shop.store.amend(expanded.spec, held, reproduced(shop.store.build_folder(expanded.spec), held.packages, verdict))
    if differing:
        raise KubedebError(
            f"{expanded.spec.title} is not reproducible: two builds gave different packages",
            details="\n".join([*(f"{file}: {before.get(file)} then {after.get(file)}" for file in differing), *shown]),
            hint="Something in debian/rules depends on what was varied, or on chance.",
            code=ExitCode.BUILD,
        )


def _differences(files: Sequence[str], made: Path, expanded: Expanded, shop: Workshop) -> list[str]:
    """Return what diffoscope says of the first few: the second build's packages do not stay."""
    held, log = shop.store.build_folder(expanded.spec), shop.store.log(expanded.spec)
    return [
        diffoscope.summary(held / file, made / file, log.with_suffix(f".{file}.diffoscope.txt")) for file in files[:COMPARED]
    ]


def _compare(
    first: Mapping[str, str], second: Mapping[str, str], not_varied: Mapping[str, str], say: Callable[[str], object]
) -> None:
    for name in (one.name for one in variation.VARIATIONS):
        why, both = not_varied.get(name), " → ".join(seen.get(name) or "none" for seen in (first, second))
        say(f"{name}: not varied, {why}" if why else f"{name}: {both}")
    if alike := variation.not_varied(first, second, not_varied):
        raise KubedebError(
            f"--check could not vary: {', '.join(alike)}", details="Both builds would have seen the same.",
            hint="Time needs libfaketime on this machine (script/bootstrap installs it), for the suite's libc or an older one; "
            "the order of files needs /dev/shm in memory and the sandbox's disk elsewhere.",
            code=ExitCode.SANDBOX,
        )  # fmt: skip


def _seen(opened: OpenSandbox) -> dict[str, str]:
    with opened() as sandbox:
        return _ask(sandbox)


def _ask(sandbox: Sandbox) -> dict[str, str]:
    with tempfile.TemporaryFile() as output:
        root = sandbox.surroundings.build_root
        sandbox.run(["sh", "-c", variation.probe()], cwd=root, env={}, log=output, timeout=60)
        output.seek(0)
        return variation.read_probe(output.read().decode(errors="replace"))


def _varied(opened: OpenSandbox, kind: SandboxKind, compare: Callable[[Mapping[str, str]], None]) -> OpenSandbox:
    """Return an opener of sandboxes that run every command with what is varied besides the surroundings."""

    @contextmanager
    def different(surroundings: Surroundings = PLAIN, binds: Sequence[Bind] = ()) -> Iterator[Sandbox]:
        faketime = [Bind(LIBRARY, variation.FAKETIME)] if LIBRARY.is_dir() else []
        with (
            folder_in_memory() as folder,
            opened(surroundings, [*binds, *faketime, Bind(folder, surroundings.build_root, writable=True)]) as sandbox,
        ):
            varied = _Varied(sandbox, variation.BEFORE[kind])
            try:
                compare(_ask(varied))
                yield varied
            finally:
                with tempfile.TemporaryFile() as log, suppress(KubedebError):
                    sandbox.run(EMPTY, cwd=surroundings.build_root, env={}, log=log, timeout=600)

    return different


class _Varied:
    """A sandbox whose commands get another kernel's name, another time and more variables."""

    def __init__(self, sandbox: Sandbox, before: Sequence[str]) -> None:
        self._sandbox = sandbox
        self._before = before

    @property
    def surroundings(self) -> Surroundings:
        return self._sandbox.surroundings

    def put(self, tree: IO[bytes]) -> None:
        self._sandbox.put(tree)

    def run(self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], log: IO[bytes], timeout: float = TIME_LIMIT) -> int:
        words = [*self._before, *argv]
        return self._sandbox.run(words, cwd=cwd, env={**variation.environment(argv), **env}, log=log, timeout=timeout)

    def get(self, path: str, target: Path) -> None:
        self._sandbox.get(path, target)

    def peek(self, path: str, target: Path) -> bool:
        return self._sandbox.peek(path, target)

    def shell(self, *, cwd: str, env: Mapping[str, str]) -> None:
        return self._sandbox.shell(cwd=cwd, env=env)

    def stop(self) -> None:
        self._sandbox.stop()
