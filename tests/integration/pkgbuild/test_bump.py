"""`kubedeb recipe bump` against upstream's layouts on a server: the row that it writes, and who vouches for the digest."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from upstream import Layout, Upstream, serving

import kindsamples
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.commands.recipe import recipe as commands
from signers import Signers, signers

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


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signers]:
    with signers(tmp_path_factory.mktemp("keys") / "gpg") as found:
        yield found


def write(folder: Path, upstream: Upstream, block: str = "", pin: str = f"sha256: {'0' * 64}") -> Path:
    file = folder / "recipes/etcd/recipe.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(RECIPE.replace("URL", upstream.url).replace("UPSTREAM", block).replace("PIN", pin))
    return file


def bump(folder: Path, *words: str, recipe: str = "etcd") -> Result:
    arguments = ["bump", recipe, *words, "--date", "2026-11-24", "--recipes", f"{folder}/recipes", "--cache", f"{folder}/cache"]
    return CliRunner().invoke(commands, arguments)


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
    assert f"etcd: {SHA256}, accepted: what" in accepted.output
    assert f"sha256: {SHA256}" in file.read_text()
    again = bump(tmp_path, "3.5.17")
    assert isinstance(again.exception, KubedebError)
    assert again.exception.brief == "recipe 'etcd' has version 3.5.17 already"
    for wrong in ("v3.5.18", "3.5.18-rc.1", "not one"):
        asked = bump(tmp_path, wrong, "--accept")
        assert isinstance(asked.exception, KubedebError)
        assert asked.exception.brief == f"{wrong!r} is no version"


SIGNED = {"upstream": "", "stranger": "which is not in the recipe's keyring", "expired": "is expired"}


@pytest.mark.parametrize("who", SIGNED)
def test_the_bytes_that_upstream_signed_give_the_digest(who: str, upstream: Upstream, keys: Signers, tmp_path: Path) -> None:
    path = "/v3.5.17/etcd-v3.5.17-linux-amd64.tar.gz"
    upstream.add(path, DATA)
    upstream.add(f"{path}.asc", keys.sign(who, DATA))
    signature = f"signature: {{url: '{upstream.url}/v{{version}}/etcd-v{{version}}-linux-{{architecture}}.tar.gz.asc'"
    file = write(tmp_path, upstream, pin=f"sha256: {'0' * 64}, {signature}, keyring: up.asc}}")
    (file.parent / "keyring").mkdir()
    (file.parent / "keyring/up.asc").write_text(keys.keyring("upstream", "expired"))
    before = file.read_text()
    result = bump(tmp_path, "3.5.17", "--accept")  # it is not accepted in the place of a signature
    if SIGNED[who]:
        assert isinstance(result.exception, KubedebError)
        assert result.exception.code is ExitCode.SOURCE_MISMATCH
        assert SIGNED[who] in result.exception.brief
        assert file.read_text() == before
        return
    assert result.exit_code == 0, result.output
    assert "from the bytes that the key " in result.output
    added = file.read_text().removeprefix(before)
    assert f"sha256: {SHA256}" in added
    assert "keyring: up.asc" in added
    assert "linux-{architecture}.tar.gz.asc" in added


def test_a_wheel_is_what_pip_brings_now_and_only_when_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kindsamples.lay_out(tmp_path / "recipes", "hello-wheel")
    index = tmp_path / "index"
    index.mkdir()
    for version in ("1.10", "1.11", "1.12"):
        (index / f"hello_wheel-{version}-py3-none-any.whl").write_bytes(kindsamples.wheel(version))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    file = folder / "hello-wheel/recipe.yaml"
    before = file.read_text()
    refused = bump(tmp_path, "1.11", recipe="hello-wheel")
    assert isinstance(refused.exception, KubedebError)
    assert refused.exception.code is ExitCode.RECIPE
    assert "no signed index says which bytes the wheel hello-wheel 1.11 has" in refused.exception.brief
    gone = bump(tmp_path, "1.13", "--accept", recipe="hello-wheel")
    assert isinstance(gone.exception, KubedebError)
    assert gone.exception.code is ExitCode.SOURCE_GONE
    assert file.read_text() == before
    done = bump(tmp_path, "1.11", "--accept", recipe="hello-wheel")
    assert done.exit_code == 0, done.output
    assert "accepted: what pip brought now for hello_wheel-1.11-py3-none-any.whl, vouched for by nobody" in done.output
    added = file.read_text().removeprefix(before)
    assert f"sha256: {hashlib.sha256(kindsamples.wheel('1.11')).hexdigest()}" in added
    assert "file: hello_wheel-1.11-py3-none-any.whl" in added
    assert "kind: wheel" in added


def test_an_unpinned_source_is_pinned_in_its_place(upstream: Upstream, tmp_path: Path) -> None:
    upstream.add("/v3.5.16/etcd-v3.5.16-linux-amd64.tar.gz", DATA)
    file = write(tmp_path, upstream, pin="unpinned: upstream publishes no digest")
    before = file.read_text()
    listed = CliRunner().invoke(commands, ["lint", "etcd", "--recipes", f"{tmp_path}/recipes"])
    assert listed.exit_code == 0
    assert "3.5.16 for amd64 is not built: source etcd is not pinned: upstream publishes no digest" in listed.output
    result = bump(tmp_path, "3.5.16", "--accept")
    assert result.exit_code == 0, result.output
    assert file.read_text() == before.replace("unpinned: upstream publishes no digest", f"sha256: {SHA256}")


@pytest.mark.turn("long looks")
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
