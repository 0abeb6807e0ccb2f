"""What a gpg home may hold when nobody uses it: the sockets of an agent that was killed with its user, and short names.

Apart from `repo.keys`, because every writer looks, and most have nothing to sign.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

# A socket's path has 107 characters at most; the agent's is HOME/S.gpg-agent.browser.
LONGEST_HOME = 80


def needs_short_name(home: Path) -> bool:
    """Return whether an agent could not listen in `home` under the name that it has."""
    return len(str(home.absolute())) > LONGEST_HOME


def short_name_prefix(home: Path) -> str:
    """Return how the short names of `home` begin: each home's own, so that its next writer knows what a killed one left."""
    return f"kubedeb-gnupg-{sha256(os.fsencode(home.resolve())).hexdigest()[:16]}-"


def short_names(home: Path) -> list[Path]:
    """Return the folders of short names of `home`, which are ours."""
    import tempfile

    found = Path(tempfile.gettempdir()).glob(f"{short_name_prefix(home)}*")
    return [folder for folder in found if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.geteuid()]


def has_agent(home: Path) -> bool:
    """Return whether an agent's sockets are there."""
    return any(home.glob("S.gpg-agent*"))


def left_behind(home: Path) -> bool:
    """Return whether a process that was killed left something that the next writer has to sweep."""
    return has_agent(home) or (needs_short_name(home) and bool(short_names(home)))
