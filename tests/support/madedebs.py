"""Packages of a tiny daemon, made with dpkg-deb: good ones, and such as break one rule of a clean root."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

UNIT = "[Unit]\nDescription=sleeps\n\n[Service]\nExecStart=/usr/bin/hello-daemon\nStateDirectory=hello-daemon\n"
PROGRAM = "#!/bin/sh\n# {version}\nexec sleep 600\n"
SH = "#!/bin/sh\nset -e\n"
PRERM = SH + 'if [ "$1" = remove ] && [ -d /run/systemd/system ]; then\n\tdeb-systemd-invoke stop hello-daemon.service\nfi\n'
CONF = "/etc/needrestart/conf.d/hello-daemon.conf"
CONTROL = """\
Package: hello-daemon
Version: {version}
Architecture: all
Maintainer: nobody <nobody@localhost>
{depends}Description: sleeps
 Until somebody stops it.
"""


def make(
    folder: Path, version: str, scripts: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None,
    conffiles: tuple[str, ...] = (), depends: str = "init-system-helpers",
) -> Path:  # fmt: skip
    """Return a package of the daemon; `scripts` and `files` are added to the good ones or replace them."""
    root = folder / f"root-{version}"
    depends = f"Depends: {depends}\n" if depends else ""
    meant = {
        "DEBIAN/control": CONTROL.format(version=version, depends=depends),
        "DEBIAN/conffiles": "".join(f"{path}\n" for path in (CONF, *conffiles)),
        f"{CONF[1:]}": "$nrconf{override_rc}->{qr(^hello-daemon\\.service$)} = 0;\n",
        "lib/systemd/system/hello-daemon.service": UNIT,
        "usr/bin/hello-daemon": PROGRAM.format(version=version),
        **{f"DEBIAN/{name}": text for name, text in {"prerm": PRERM, **(scripts or {})}.items()},
        **{path.lstrip("/"): text for path, text in (files or {}).items()},
    }
    for path, text in meant.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        runs = text.startswith("#!")
        (root / path).chmod(0o755 if runs else 0o644)
    for folder_or_file in root.rglob("*"):
        if folder_or_file.is_dir():
            folder_or_file.chmod(0o755)
    deb = folder / f"hello-daemon_{version}_all.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", root, deb], check=True, capture_output=True)
    return deb
