"""`kubedeb config`."""

from __future__ import annotations

import click

from kubedeb import config as settings
from kubedeb.output import json_option, print_json, print_table


@click.group()
def config() -> None:
    """Show the settings and where each came from."""


@config.command()
@json_option
def show(*, as_json: bool) -> None:
    """Print every setting, its value and its source (flag > environment > file > default)."""
    values = settings.resolve()
    if as_json:
        print_json({name: {"value": value.text, "source": value.source} for name, value in values.items()})
        return
    rows = [(name, value.text or "-", value.source, value.setting.help) for name, value in values.items()]
    print_table(("setting", "value", "from", "what it is"), rows)
