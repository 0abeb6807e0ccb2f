from __future__ import annotations

from pathlib import Path

import pytest

from kubedeb.config import SETTINGS, resolve
from kubedeb.errors import ExitCode, KubedebError


def test_flag_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("cache: /from/file\nstore: /from/file\nstate: /from/file\n")
    environment = {"HOME": "/home/x", "KUBEDEB_CONFIG": str(file), "KUBEDEB_CACHE": "/from/env", "KUBEDEB_STORE": "/from/env"}
    values = resolve({"cache": "/from/flag", "store": None}, environment)
    assert [(values[name].text, values[name].source) for name in ("cache", "store", "state", "recipes")] == [
        ("/from/flag", "flag"),
        ("/from/env", "environment KUBEDEB_STORE"),
        ("/from/file", f"file {file}:3"),
        ("/home/x/.local/share/kubedeb/recipes", "default"),
    ]
    assert set(values) == set(SETTINGS)


def test_an_unknown_key_has_a_near_match(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("stor: /x\n")
    with pytest.raises(KubedebError, match="did you mean 'store'") as caught:
        resolve(environment={"KUBEDEB_CONFIG": str(file)})
    assert caught.value.code == ExitCode.CONFIG
