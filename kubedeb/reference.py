"""The command reference, `docs/commands.md`, made from the command tree and the table of exit codes."""

from __future__ import annotations

import ast
import inspect

import click

from kubedeb import errors


def command_reference(root: click.Group) -> str:
    """Return `docs/commands.md`: every command with its usage and options, then the exit codes."""
    parts = [
        "# Commands",
        "Made from the command tree by `script/docs`; do not edit.",
        "Every command prints progress on stderr and its result on stdout; `--json` makes that result one JSON document. "
        "`NO_COLOR` is honoured. What each setting's default is, and where a value came from, says `kubedeb config show`.",
    ]
    context = click.Context(root, info_name="kubedeb")
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        if command is not None:
            parts += _command(command, click.Context(command, info_name=f"kubedeb {name}"))
    parts += ["## Exit codes", "\n".join(["| code | name | meaning |", "|---|---|---|", *_codes()])]
    return "\n\n".join(parts) + "\n"


def _command(command: click.Command, context: click.Context) -> list[str]:
    parts = [f"## `{context.info_name}`", inspect.cleandoc(command.help or "").replace("\b\n", "")]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                parts += _command(child, click.Context(child, info_name=f"{context.info_name} {name}"))
        return parts
    usage = " ".join([str(context.info_name), *command.collect_usage_pieces(context)])
    rows = [record for parameter in command.params if (record := parameter.get_help_record(context)) is not None]
    lines = [f"    {usage}", "", *(f"- `{flags}` {text}" for flags, text in rows)]
    return [*parts, "\n".join(lines).rstrip()]


def _codes() -> list[str]:
    """Return a row for each exit code; the meaning is the string that stands below it in the source."""
    tree = ast.parse(inspect.getsource(errors.ExitCode)).body[0]
    if not isinstance(tree, ast.ClassDef):
        raise TypeError("ExitCode is a class")
    meanings: dict[str, str] = {}
    name = ""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            meanings[name] = str(node.value.value)
    return [f"| {code.value} | {code.name} | {meanings[code.name]} |" for code in errors.ExitCode]
