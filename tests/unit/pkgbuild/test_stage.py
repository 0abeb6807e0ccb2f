"""The Dockerfile's first stage decides builds; the rest of the file does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.dockerd import sandbox_tag
from pkgbuild.stage import first_stage, sandbox_stage

TEXT = """\
# why
ARG BASE

# the sandbox
FROM ${BASE} AS build
RUN groupadd builder \\
 # why not
 && true
USER builder

# the tool
from ${BASE} AS tool
RUN true
"""
STAGE = b"ARG BASE\nFROM ${BASE} AS build\nRUN groupadd builder \\\n && true\nUSER builder\n"


def test_the_first_stage_is_what_comes_before_the_second_from_without_comments() -> None:
    assert first_stage(TEXT) == STAGE
    assert first_stage(STAGE.decode()) == STAGE


CHANGES: dict[str, tuple[Callable[[str], str], bool]] = {
    "a comment": (lambda text: text.replace("# the sandbox", "# a sandbox"), True),
    "the second stage": (lambda text: text.replace("RUN true", "RUN false"), True),
    "the first stage": (lambda text: text.replace("USER builder", "USER root"), False),
}


@pytest.mark.parametrize("what", CHANGES)
def test_only_another_first_stage_is_another_sandbox(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change, same = CHANGES[what]
    monkeypatch.setattr("pkgbuild.stage.shipped_folder", lambda name: tmp_path / name)
    (tmp_path / "Dockerfile").write_text(TEXT)
    before = sandbox_stage()
    (tmp_path / "Dockerfile").write_text(change(TEXT))
    after = sandbox_stage()
    assert (before.digest == after.digest) is same
    tags = [sandbox_tag("kubedeb/base:x-1", stage) for stage in (before, after)]
    assert (tags[0] == tags[1]) is same


def test_a_dockerfile_without_a_stage_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pkgbuild.stage.shipped_folder", lambda name: tmp_path / name)
    with pytest.raises(KubedebError, match="Dockerfile") as raised:
        sandbox_stage()
    assert raised.value.code is ExitCode.SANDBOX


def test_the_shipped_stage_is_the_builder_only() -> None:
    text = sandbox_stage().dockerfile.decode()
    assert "AS build" in text
    assert "wheelhouse" not in text
