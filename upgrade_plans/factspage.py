"""`docs/facts.md`: every field of the facts with what it says and how it is read, made from the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upgrade_plans.models.facts import Facts
from upgrade_plans.models.uses import LOOKS

HEAD = """# The facts file

Made from the models by `script/docs`; do not edit.

What `kubedeb inspect` reads of a cluster, one JSON file a cluster; `facts.schema.json` is its schema. Everything after
works from this file, without the cluster. Every command and endpoint below only reads. A key that is left out has the
value that stands in brackets; `null` means *not read*, which is not the same as *not there*: a rule that asks for it says so.

Nodes that answer alike stand in `nodes` once, under a ClusterShell node set; pods are counted by workload and node set.
What runs (`running`), what is installed (`packages`) and what would start on a reboot (`disk`) are three things. Files of
format 1, which knew etcd only, are still read.
"""


def page() -> str:
    """Return the page."""
    schema = Facts.model_json_schema()
    models = {"Facts": schema, **{name: part for name, part in schema["$defs"].items() if "properties" in part}}
    parts = [HEAD]
    for name, model in models.items():
        rows = [_row(field, about) for field, about in model["properties"].items()]
        parts.append(
            f"## {name}\n\n{model['description']}\n\n| field | what | read by |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    looks = "\n".join(f"| `{use}` | {look.what} | `{_cell(look.read)}` |" for use, look in LOOKS.items())
    parts.append(
        f"## Uses\n\nWhat upgrades trip over, counted in objects.\n\n| use | what | read by |\n|---|---|---|\n{looks}\n"
    )
    return "\n".join(parts)


def fields() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of the facts as `MODEL.FIELD`, with its schema."""
    schema = Facts.model_json_schema()
    for name, part in {"Facts": schema, **schema["$defs"]}.items():
        yield from ((f"{name}.{field}", about) for field, about in part.get("properties", {}).items())


def _row(field: str, about: dict[str, Any]) -> str:
    default = about.get("default", ...)
    shown = (
        ""
        if default is ...
        else f" [{'null' if default is None else str(default).lower() if default in (True, False) else default}]"
    )
    return f"| `{field}` | {_cell(about['description'])}{shown} | `{_cell(about['read'])}` |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
