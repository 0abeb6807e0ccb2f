"""A tiny recipe, whole and valid, for tests that change one thing about it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import debs

SOURCE = "hello-source"
PROGRAM = "./usr/bin/hello"
COPYRIGHT = "./usr/share/doc/hello-source/copyright"
RULES = "#!/usr/bin/make -f\n%:\n\tdh $@\noverride_dh_strip override_dh_dwz override_dh_shlibdeps:\n"
CONTROL = """\
Source: {{ recipe.name }}
Section: net
Priority: optional
Maintainer: {{ recipe.maintainer }}
Build-Depends: debhelper-compat (= 13)
Rules-Requires-Root: no

Package: hello
Architecture: {{ architecture }}
Depends: ${misc:Depends}
Description: {{ recipe.summary }}
 Version {{ version }}.
"""
RECIPE = """\
name: hello
summary: says hello
licence: MIT
homepage: https://example.org/
maintainer: nobody <nobody@localhost>
kind: prebuilt
copyright: hello-source/usr/share/doc/hello-source/copyright
packages:
  - name: hello
    copies:
      /usr/bin/hello: hello-source/usr/bin/hello
    says:
      command: [/usr/bin/hello]
      output: "hello {version}"
versions:
  - version: "1.10"
    revision: 1
    date: "2026-11-23"
    changes: [The first.]
    sources:
      amd64:
        - kind: deb
          suite: bookworm
          package: hello-source
          version: "1.10-3"
          sha256: SHA256
"""


def source_deb(script: str | bytes = "#!/bin/sh\necho hello 1.10\n") -> bytes:
    """Return the package that the recipe takes its program from."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, text, mode in ((PROGRAM, script, 0o755), (COPYRIGHT, "Copyright: nobody\nLicense: MIT\n", 0o644)):
            member = tarfile.TarInfo(name)
            content = text if isinstance(text, bytes) else text.encode()
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    about = debs.tar({"./control": debs.control(SOURCE, "1.10-3").encode()})
    return debs.ar([("debian-binary", b"2.0\n"), ("control.tar", about), ("data.tar", data.getvalue())])


def write_recipe(folder: Path, text: str = RECIPE, *, rules: str = RULES, source: bytes | None = None) -> Path:
    """Write the recipe into `folder`/hello and its source into `folder`/sources; return `folder`, for --recipes."""
    source = source_deb() if source is None else source
    recipe = folder / "hello"
    (recipe / "debian").mkdir(parents=True, exist_ok=True)
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources" / "any-name.deb").write_bytes(source)
    (recipe / "recipe.yaml").write_text(text.replace("SHA256", hashlib.sha256(source).hexdigest()))
    (recipe / "debian" / "control.j2").write_text(CONTROL)
    (recipe / "debian" / "rules").write_text(rules)
    return folder
