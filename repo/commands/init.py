"""`kubedeb repo init`: make a repository, or add suites to one."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.output import json_option, plain, print_json
from repo.commands.options import repository_option, root_of


@click.command()
@repository_option
@click.option("--origin", required=True, help="Who the repository is, for apt; can never be changed.")
@click.option("--label", help="A name for people (default: the origin); can never be changed.")
@click.option("--url", help="Where clients will find it, for the .sources file (default: its folder).")
@click.option("--suite", "-s", "suites", multiple=True, default=("bookworm",), show_default=True, help="A suite; repeat.")
@click.option("--architecture", "-a", "architectures", multiple=True, default=("amd64",), show_default=True,
              help="An architecture of the suites; repeat.")  # fmt: skip
@click.option("--storage", default="", metavar="s3://BUCKET/PREFIX",
              help="Keep what is published in an object store; keys, drafts and staging stay in the folder.")  # fmt: skip
@click.option("--endpoint-url", default="", help="The object store's address, where it is not the cloud's own.")
@click.option("--valid-for", type=click.FloatRange(0, 36500), metavar="DAYS",
              help="Let the suites' Release expire after so many days; `resign` must run in time. 0: never.")  # fmt: skip
@click.option("--not-automatic", is_flag=True, default=None, help="apt takes from these suites what is asked for only; frozen.")
@click.option("--but-automatic-upgrades", is_flag=True, default=None, help="… but upgrades what came from them; frozen.")
@click.option("--zstd", is_flag=True, help="Serve the indices as .zst too.")
@click.option("--contents/--no-contents", default=None, help="List what packages lay down, for apt-file.")
@click.option("--translations/--no-translations", default=None, help="Put long descriptions into Translation-en.")
@click.option("--gate", "gates", multiple=True, metavar="lint|reproduced[=N]|TYPE[=N]",
              help="Take only packages of which statements say so, by N makers; repeat. none: no gate.")  # fmt: skip
@click.option("--gate-keys", metavar="DIR", help="Only statements that an ed25519 key (PEM) in this folder has signed count.")
@click.option("--installable/--no-installable", default=None, help="Refuse what would leave packages that cannot be installed.")
@click.option("--background", multiple=True, metavar="SUITE|FILE.sources",
              help="What hosts have besides: a suite of this repository, or apt sources; repeat. none: nothing.")  # fmt: skip
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="gc keeps the newest N versions of a package. 0: all.")
@click.option(
    "--keep-generations", type=click.IntRange(min=2), metavar="N", help="gc keeps the last N generations (default 10)."
)
@click.option("--page/--no-page", default=None, help="Make the suites' web pages anew with each generation.")
@click.option("--unlisted/--listed", default=None,
              help="Leave the suites out of the .sources that hosts get (files and keyring package): for staging.")  # fmt: skip
@click.option("--default/--no-default", default=None,
              help="Name this suite in the .sources that hosts get; else it is the first that is not --unlisted.")  # fmt: skip
@click.option("--changes-keyring", metavar="DIR",
              help="Take only .changes files that a key in this folder (.gpg, .asc) has signed. Empty: take all.")  # fmt: skip
@json_option
def init(
    *, repository: Path | None, origin: str, label: str | None, url: str | None, suites: tuple[str, ...],
    architectures: tuple[str, ...], storage: str, endpoint_url: str, valid_for: float | None, not_automatic: bool | None,
    but_automatic_upgrades: bool | None, zstd: bool, keep: int | None, keep_generations: int | None,
    changes_keyring: str | None, contents: bool | None, translations: bool | None, page: bool | None, unlisted: bool | None,
    default: bool | None,
    gates: tuple[str, ...],
    gate_keys: str | None, installable: bool | None, background: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Make a repository with a key of its own, or add suites to one that is there."""
    from repo.init import Wish, initialise

    asked = {
        "valid_for": None if valid_for is None else int(valid_for * 86400), "not_automatic": not_automatic,
        "but_automatic_upgrades": but_automatic_upgrades, "forms": (".gz", ".xz", ".zst") if zstd else None,
        "gates": _several(gates), "gate_keys": str(Path(gate_keys).absolute()) if gate_keys else gate_keys,
        "installable": installable, "background": _several(tuple(_absolute(name) for name in background)),
        "contents": contents, "translations": translations, "keep": keep, "keep_generations": keep_generations,
        "page": page, "unlisted": unlisted, "default": default,
        "changes_keyring": str(Path(changes_keyring).absolute()) if changes_keyring else changes_keyring,
    }  # fmt: skip
    options = {name: value for name, value in asked.items() if value is not None}
    wish = Wish(origin, label, url, suites, architectures, storage, endpoint_url, options)
    result = initialise(root_of(repository), wish)
    layout, identity = result.repository.layout, result.repository.identity
    if as_json:
        print_json({"root": str(layout.root), "public": str(layout.public), **plain(identity), "done": result.done})
        return
    for line in result.done:
        click.echo(line)
    if result.done and len(identity.listed) > 1:
        told, another = identity.listed[0].name, f"kubedeb repo init --origin {identity.origin} --suite NAME --default"
        click.echo(f"hosts are told of {told} alone; of another: {another}")
    if not result.done:
        click.echo(f"nothing to do: {layout.root} is as asked for")


def _several(given: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what an option that may be repeated asks for, None for nothing; `none` takes it back."""
    return tuple(name for name in given if name != "none") if given else None


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if name.endswith(".sources") else name
