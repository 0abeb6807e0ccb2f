"""A kit made with a network brings its sources into a cache in a network namespace that has no interface."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from upstream import serving

from kubedeb.errors import ExitCode
from kubedeb.process import run
from signers import signers

RECIPE = """\
name: thing
summary: a thing
licence: Apache-2.0
homepage: https://localhost/
maintainer: kubedeb maintainers <kubedeb@localhost>
kind: prebuilt
copyright: thing/LICENSE
packages:
  - name: thing
    copies: {/usr/bin/thing: thing/thing}
versions:
  - version: "1.0"
    revision: 1
    date: "2026-11-24"
    changes: [First.]
    sources:
      amd64:
        - {kind: archive, name: thing, url: "URL/thing-{version}.tar.gz", sha256: DIGEST, signature: SIGNATURE}
"""


def test_a_kit_needs_no_network(tmp_path: Path) -> None:
    data = b"a release of thing"
    digest = hashlib.sha256(data).hexdigest()
    kubedeb = [sys.executable, "-m", "kubedeb", "recipe", "fetch", "thing", "--recipes", tmp_path / "recipes"]
    (tmp_path / "recipes/thing").mkdir(parents=True)
    (tmp_path / "recipes/thing/debian").mkdir()
    (tmp_path / "recipes/thing/keyring").mkdir()
    with serving() as upstream, signers(tmp_path / "gpg") as keys:
        upstream.add("/thing-1.0.tar.gz", data)
        upstream.add("/thing.asc", keys.sign("upstream", data))
        (tmp_path / "recipes/thing/keyring/up.asc").write_text(keys.keyring("upstream"))
        text = RECIPE.replace("SIGNATURE", "{url: URL/thing.asc, keyring: up.asc}")
        text = text.replace("URL", upstream.url).replace("DIGEST", digest)
        (tmp_path / "recipes/thing/recipe.yaml").write_text(text)
        where = ["--cache", tmp_path / "a", "--store", tmp_path / "as"]
        run([*kubedeb, *where, "-o", tmp_path / "kit"], code=ExitCode.BUG)
    assert (tmp_path / "kit/sha256" / digest).read_bytes() == data
    offline = ["unshare", "-n", *kubedeb, "--cache", tmp_path / "b", "--store", tmp_path / "bs"]
    lacking = run([*offline, "--offline"], code=ExitCode.BUG, ok=(ExitCode.SOURCE_GONE,))
    assert "the network is off, and 1 sources are not in the cache" in lacking.stderr.decode()
    run([*offline, "--offline", "--from", tmp_path / "kit"], code=ExitCode.BUG)
    assert (tmp_path / "b/sha256" / digest).read_bytes() == data
    assert [path.name for path in (tmp_path / "kit").iterdir() if path.name == "verified"] == []
    [signature] = (tmp_path / "kit/signatures").iterdir()
    assert len(list((tmp_path / "b/verified").iterdir())) == 1  # checked here, with what the kit brought
    signature.write_bytes(b"no signature")
    other = ["unshare", "-n", *kubedeb, "--cache", tmp_path / "c", "--store", tmp_path / "cs", "--offline"]
    refused = run([*other, "--from", tmp_path / "kit"], code=ExitCode.BUG, ok=(ExitCode.SOURCE_MISMATCH,))
    assert "the signature of thing-1.0.tar.gz is not good: gpgv finds no signature" in refused.stderr.decode()
