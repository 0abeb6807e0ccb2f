"""`kubedeb repo …`: what each command is asked and what it prints; the work is in the module of the same name."""

from __future__ import annotations

import click

from kubedeb.lazygroup import Lazy
from repo.commands.options import Commands

COMMANDS = {
    "add": Lazy("repo.commands.drafts:add"),
    "explain": Lazy("repo.commands.explain:explain"),
    "export": Lazy("repo.commands.exchange:export"),
    "fsck": Lazy("repo.commands.care:fsck"),
    "gc": Lazy("repo.commands.gc:gc"),
    "hold": Lazy("repo.commands.gc:hold"),
    "import": Lazy("repo.commands.exchange:import_"),
    "incoming": Lazy("repo.commands.incoming:incoming"),
    "init": Lazy("repo.commands.init:init"),
    "key": Lazy("repo.commands.key:key"),
    "list": Lazy("repo.commands.reading:list_"),
    "log": Lazy("repo.commands.moves:log"),
    "metrics": Lazy("repo.commands.care:metrics"),
    "mirror": Lazy("repo.commands.exchange:mirror"),
    "page": Lazy("repo.commands.care:page"),
    "phase": Lazy("repo.commands.moves:phase"),
    "promote": Lazy("repo.commands.moves:promote"),
    "publish": Lazy("repo.commands.moves:publish"),
    "release-set": Lazy("repo.commands.moves:release_set"),
    "remove": Lazy("repo.commands.drafts:remove"),
    "resign": Lazy("repo.commands.moves:resign"),
    "rollback": Lazy("repo.commands.moves:rollback"),
    "search": Lazy("repo.commands.search:search"),
    "serve": Lazy("repo.commands.reading:serve"),
    "show": Lazy("repo.commands.reading:show"),
    "snapshot": Lazy("repo.commands.snapshot:snapshot"),
    "stats": Lazy("repo.commands.care:stats"),
    "verify": Lazy("repo.commands.reading:verify"),
}


@click.group(cls=Commands, lazy=COMMANDS)
def repo() -> None:
    """Keep a signed apt repository.

    add changes a suite's draft; publish makes the draft the suite's next generation.
    """
