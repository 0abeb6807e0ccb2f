"""`kubedeb recipe bump` against upstream's layouts on a server: the row that it writes, and who vouches for the digest."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from upstream import Layout, Upstream, serving

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.commands.recipe import recipe

DATA = b"release 3.5.17"
SHA256 = hashlib.sha256(DATA).hexdigest()
RECIPE = """\
name: etcd  # a comment
summary: store
licence: Apache-2.0
homepage: https://etcd.io/
maintainer: kubedeb maintainers <kubedeb@localhost>
kind: prebuilt
copyright: etcd/LICENSE
UPSTREAM
packages:
  - name: etcd-server
    copies: {/usr/bin/etcd: 'etcd/etcd'}

versions:
  - version: "3.5.16"   # the newest
    revision: 1
    date: "2026-11-23"
    changes: ["First."]
    sources:
      amd64:
        - {kind: archive, name: etcd, url: "URL/v{version}/etcd-v{version}-linux-{architecture}.tar.gz", PIN}
"""
CHECKSUMS = {
    Layout.ETCD: "{url}/../SHA256SUMS", Layout.KUBERNETES: "{url}.sha512", Layout.HELM: "{url}.sha256sum",
}  # fmt: skip

pytestmark = pytest.mark.turn


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving() as server:
        yield server


def write(folder: Path, upstream: Upstream, block: str = "", pin: str = f"sha256: {'0' * 64}") -> Path:
    file = folder / "recipes/etcd/recipe.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(RECIPE.replace("URL", upstream.url).replace("UPSTREAM", block).replace("PIN", pin))
    return file


def bump(folder: Path, *words: str) -> Result:
    arguments = ["bump", "etcd", *words, "--date", "2026-11-24", "--recipes", f"{folder}/recipes", "--cache", f"{folder}/cache"]
    return CliRunner().invoke(recipe, arguments)


@pytest.mark.parametrize("layout", CHECKSUMS)
def test_upstreams_checksum_file_gives_the_digest(layout: Layout, upstream: Upstream, tmp_path: Path) -> None:
    path = "/v3.5.17/etcd-v3.5.17-linux-amd64.tar.gz"
    upstream.add(path, DATA, layout)
    pattern = CHECKSUMS[layout].replace("{url}/..", f"{upstream.url}/v{{version}}")
    file = write(tmp_path, upstream, f'upstream: {{checksums: "{pattern}"}}')
    before = file.read_text()
    result = bump(tmp_path, "3.5.17")
    assert result.exit_code == 0, result.output
    assert "from upstream's checksum file" in result.output
    digest = f"sha512: {hashlib.sha512(DATA).hexdigest()}" if layout is Layout.KUBERNETES else f"sha256: {SHA256}"
    assert file.read_text() == before + (
        '  - version: "3.5.17"\n    revision: 1\n    date: "2026-11-24"\n    changes:\n      - New upstream version 3.5.17.\n'
        f"    sources:\n      amd64:\n        - kind: archive\n          name: etcd\n"
        f"          url: {upstream.url}/v{{version}}/etcd-v{{version}}-linux-{{architecture}}.tar.gz\n          {digest}\n"
    )
    assert upstream.asked(path) == []


def test_without_a_checksum_only_accept_takes_what_comes(upstream: Upstream, tmp_path: Path) -> None:
    upstream.add("/v3.5.17/etcd-v3.5.17-linux-amd64.tar.gz", DATA)
    file = write(tmp_path, upstream)
    before = file.read_text()
    refused = bump(tmp_path, "3.5.17")
    assert isinstance(refused.exception, KubedebError)
    assert refused.exception.code is ExitCode.RECIPE
    assert "--accept" in refused.exception.hint
    assert file.read_text() == before
    accepted = bump(tmp_path, "3.5.17", "--accept")
    assert accepted.exit_code == 0, accepted.output
    assert "accepted: what" in accepted.output
    assert f"sha256: {SHA256}" in file.read_text()
    again = bump(tmp_path, "3.5.17")
    assert isinstance(again.exception, KubedebError)
    assert again.exception.brief == "recipe 'etcd' has version 3.5.17 already"


def test_an_unpinned_source_is_pinned_in_its_place(upstream: Upstream, tmp_path: Path) -> None:
    upstream.add("/v3.5.16/etcd-v3.5.16-linux-amd64.tar.gz", DATA)
    file = write(tmp_path, upstream, pin="unpinned: upstream publishes no digest")
    before = file.read_text()
    listed = CliRunner().invoke(recipe, ["lint", "etcd", "--recipes", f"{tmp_path}/recipes"])
    assert isinstance(listed.exception, KubedebError)
    assert "source etcd is not pinned: upstream publishes no digest" in listed.exception.details
    result = bump(tmp_path, "3.5.16", "--accept")
    assert result.exit_code == 0, result.output
    assert file.read_text() == before.replace("unpinned: upstream publishes no digest", f"sha256: {SHA256}")


def test_a_debian_package_is_looked_up_in_the_signed_index(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "recipes/etcd"
    shutil.copytree(shipped, tmp_path / "recipes/etcd")
    file = tmp_path / "recipes/etcd/recipe.yaml"
    kept = file.read_text().partition('  - version: "3.5.16"')[0]
    file.write_text(kept)
    found = bump(tmp_path, "3.5.16")
    assert found.exit_code == 0, found.output
    assert "from the signed index of trixie: etcd-server 3.5.16-4" in found.output
    assert file.read_text().startswith(kept)
    missing = bump(tmp_path, "3.5.99")
    assert isinstance(missing.exception, KubedebError)
    assert missing.exception.code is ExitCode.SOURCE_GONE
