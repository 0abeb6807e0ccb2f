"""Writes the generated pages."""

from __future__ import annotations

from pathlib import Path

from kubedeb.cli import kubedeb
from kubedeb.files import write_text
from kubedeb.reference import command_reference
from pkgbuild.upgradelint import page

if __name__ == "__main__":
    write_text(Path("docs/commands.md"), command_reference(kubedeb))
    write_text(Path("docs/lint.md"), page())
