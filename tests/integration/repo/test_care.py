"""Figures and the page of a real repository."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from debs import write_deb
from foreign import Shaky
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


def test_the_sources_of_the_page_can_be_copied(published: Made, tmp_path: Path) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--suite", "other") == 0
    assert published.repo("publish", "other", "bookworm") == 0
    assert published.repo("page", "bookworm") == 0
    # The browser's own clipboard is for pages over https alone, so what counts is what is selected when it is asked to copy.
    script = "document.execCommand=what=>{document.title=what+': '+getSelection();return true};copy.click()"
    page = published.public / "dists/bookworm/index.html"
    page.write_text(page.read_text().replace("</script>", f"{script}</script>"))
    with Shaky(published.public) as web:
        dom = browsed(f"{web.url}/dists/bookworm/index.html", tmp_path / "profile")
    title = dom.partition("<title>")[2].partition("</title>")[0]
    assert title.startswith("copy: Types: deb")
    assert "Suites: bookworm\n" in title
    assert ">copied</button>" in dom
    links = [urljoin("dists/bookworm/index.html", link) for link in re.findall(r'href="([^"]+)"', dom)]
    assert {"kubedeb-archive-keyring.gpg", "kubedeb.pref"} <= set(links)
    assert all((published.public / link).is_file() for link in links)


def browsed(url: str, profile: Path) -> str:
    """Return the page at `url` as a browser has it."""
    argv = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom", url]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_page_is_made_at_publish_and_links_what_was_said(
    published: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--page") == 0
    assert published.repo("publish", "bookworm") == 0
    index = published.public / "dists/bookworm/index.html"
    assert "Generation 2," in index.read_text()
    package = write_deb(tmp_path / "in", "hello", "1.0")
    for suffix, text in ((".intoto.jsonl", '{"payload": ""}\n'), (".cdx.json", "{}"), (".spdx.json", "{}")):
        package.with_name(f"hello_1.0_amd64{suffix}").write_text(text)
    assert published.repo("add", "-s", "bookworm", "--publish", package) == 0
    with Shaky(published.public) as web:
        dom = browsed(f"{web.url}/dists/bookworm/index.html#hello", tmp_path / "profile")
        assert '<span id="n">1</span>' in dom
        assert "Generation 3," in dom
        (row,) = [row for row in dom.split("<tr") if ">hello</a>" in row]
        links = re.findall(r'href="([^"]+)">([^<]+)</a>', row)
        assert [what for _, what in links] == ["hello", "CycloneDX", "statements", "SPDX"]
        got = {Path(link).name: requests.get(urljoin(f"{web.url}/dists/bookworm/", link), timeout=5) for link, _ in links}
    there = {path.name: path.read_bytes() for path in package.parent.iterdir()}
    assert {name: answer.content for name, answer in got.items()} == there
    # Nothing to do: not written again; when it is lost it is made.
    before = index.stat().st_mtime_ns
    assert published.repo("publish", "bookworm") == 0
    assert index.stat().st_mtime_ns == before
    index.unlink()
    assert published.repo("publish", "bookworm") == 0
    assert "Generation 3," in index.read_text()
    assert published.repo("init", "--origin", "kubedeb", "--no-page") == 0
    assert published.repo("remove", "-s", "bookworm", "--publish", "hello") == 0
    assert "Generation 3," in index.read_text()
    assert published.repo("verify") == 0
