"""For what, and where: what every command of this room is given."""

from __future__ import annotations

from kubedeb.records import frozen
from pkgbuild.cache import Cache
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.store import Store


@frozen
class Target:
    """What packages are built for, where they are kept, and the mirrors of the settings: Debian's ("": the machine's own), and
    those of archives by URL prefix.
    """

    suite: Suite
    architecture: Architecture
    store: Store
    cache: Cache
    mirror: str = ""
    mirrors: str = ""
