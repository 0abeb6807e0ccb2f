"""For what, and where: what every command of this room is given."""

from __future__ import annotations

from dataclasses import dataclass

from pkgbuild.cache import Cache
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.store import Store


@dataclass(frozen=True)
class Target:
    """What packages are built for, where they are kept, and the mirror of the settings ("": the machine's own)."""

    suite: Suite
    architecture: Architecture
    store: Store
    cache: Cache
    mirror: str = ""
