"""Figures and the page of a real repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from repositories import Made


def test_figures(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert published.repo("stats", "--json") == 0
    (suite,) = json.loads(capsys.readouterr().out)
    assert [past["packages"] for past in suite["growth"]] == [1, 3]
    assert suite["bytes"] == sum(path.stat().st_size for path in published.packages)
    assert published.repo("metrics") == 0
    assert 'kubedeb_repo_packages{suite="bookworm"} 3\n' in capsys.readouterr().out


def test_a_page_is_written_once(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.repo("page", "bookworm") == 0
    text = (published.public / "dists/bookworm/index.html").read_text()
    assert text.count("<tr><td>") == 3
    capsys.readouterr()
    assert published.repo("page", "bookworm") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert published.repo("verify") == 0


@pytest.mark.parametrize(("words", "shown"), [("", 3), ("3.5.16 amd64", 1), ("no-such-thing", 0)])
def test_the_page_is_searchable_in_a_browser(published: Made, tmp_path: Path, words: str, shown: int) -> None:
    assert published.repo("page", "bookworm") == 0
    url = f"{(published.public / 'dists/bookworm/index.html').as_uri()}#{words.replace(' ', '%20')}"
    argv = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        url,
    ]
    dom = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f'<span id="n">{shown}</span>' in dom
    assert dom.count("<tr hidden") == 3 - shown
