"""Writes the generated pages."""

from __future__ import annotations

from pathlib import Path

from kubedeb.cli import kubedeb
from kubedeb.files import write_text
from kubedeb.reference import command_reference
from pkgbuild.upgradelint import page
from pkgbuild.variation import with_table

if __name__ == "__main__":
    write_text(Path("docs/commands.md"), command_reference(kubedeb))
    write_text(Path("docs/lint.md"), page())
    proof = Path("docs/reproducibility.md")
    write_text(proof, with_table(proof.read_text()))
