"""`kubedeb repo key …`: the archive's keys and how they take turns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kubedeb.output import counted, json_option, plain, print_json, print_table
from repo.commands.options import open_root, repository_option, root_of, say, terms_options

yes_option = click.option("--yes", is_flag=True, help="Do it though some clients may break.")
passphrase_option = click.option("--passphrase-file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
                                 help="A file whose first line encrypts the backup.")  # fmt: skip


@click.group()
def key() -> None:
    """Change the archive's keys without breaking a client.

    introduce, package, wait, overlap, wait, retire: docs/repository.md has it step by step.
    """


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat() if seconds else ""


def _plain(found: Any) -> dict[str, Any]:
    return {**plain(found), "state": found.state.value, "how": found.how.value}


def _print_step(done: Any, *, as_json: bool, next_step: str = "") -> None:
    if as_json:
        print_json({"key": _plain(done.key), "generations": dict(done.generations)})
        return
    click.echo(f"key {done.key.fingerprint} is {done.key.state.value}")
    for suite, generation in done.generations:
        click.echo(f"published {suite} generation {generation}: signed again")
    if next_step:
        click.echo(f"next: {next_step}")


@key.command(name="list")
@repository_option
@json_option
def list_(*, repository: Path | None, as_json: bool) -> None:
    """List the archive's keys and what each does."""
    from repo.keyset import read_keys

    keys = read_keys(open_root(repository)).keys
    if as_json:
        print_json([_plain(one) for one in keys])
        return
    cells = [(one.fingerprint, one.state.value, _day(one.since), _day(one.expires) or "never", one.how.value,
              ", ".join(f"{suite} {_day(since)}" for suite, since in sorted(one.offered.items()))) for one in keys]  # fmt: skip
    print_table(("fingerprint", "state", "since", "expires", "held by", "offered"), cells)


@key.command()
@repository_option
@click.option("--expires", "expires_days", type=click.IntRange(0, 36500), default=0, metavar="DAYS",
              help="Let the key expire after so many days; 0: never.")  # fmt: skip
@json_option
def introduce(*, repository: Path | None, expires_days: int, as_json: bool) -> None:
    """Make another key; clients get it, and it does not sign yet."""
    from repo.rotate import introduce as introduce_key

    done = introduce_key(open_root(repository), say, expires_days=expires_days)
    _print_step(done, as_json=as_json, next_step="kubedeb repo key package")


@key.command(name="import")
@repository_option
@click.argument("given", metavar="FILE|FINGERPRINT")
@click.option("--agent", is_flag=True, help="The key stays in a gpg home, with its agent: a smart card, or a passphrase.")
@click.option("--home", default="", help="That gpg home (default: gpg's own).")
@click.option("--command", "by_command", is_flag=True, help="FILE is public; the setting sign_command signs.")
@json_option
def import_(*, repository: Path | None, given: str, agent: bool, home: str, by_command: bool, as_json: bool) -> None:
    """Introduce a key that is there already, or take one that was renewed."""
    from repo.rotate import bring
    from repo.rotation import How

    if agent and by_command:
        raise click.UsageError("--agent and --command exclude each other")
    if not agent and not Path(given).is_file():
        raise click.UsageError(f"there is no file {given}")
    how = How.AGENT if agent else How.COMMAND if by_command else How.HOME
    done = bring(open_root(repository), say, given, how, home)
    _print_step(done, as_json=as_json, next_step="kubedeb repo key package")


def _step_command(name: str, text: str, next_step: str) -> Callable[..., None]:
    @key.command(name=name, help=text)
    @repository_option
    @click.argument("fingerprint")
    @yes_option
    @click.option("--offered-for", type=click.IntRange(0, 3650), default=30, show_default=True, metavar="DAYS",
                  help="So long every suite must have offered the next key's keyring package.")  # fmt: skip
    @terms_options
    @json_option
    def command(*, repository: Path | None, fingerprint: str, yes: bool, offered_for: int, terms: Any, as_json: bool) -> None:
        from repo.rotate import step
        from repo.rotation import DAY, Step

        done = step(open_root(repository, terms), say, Step(name), fingerprint, force=yes, offered_for=offered_for * DAY)
        _print_step(done, as_json=as_json, next_step=next_step)

    return command


overlap = _step_command("overlap", "Let an introduced key sign beside the old one, and sign every suite again.", "")
retire = _step_command(
    "retire", "Let a key sign no more; refused when clients would break. The end of its FINGERPRINT is enough.",
    "kubedeb repo key package",
)  # fmt: skip
revoke = _step_command(
    "revoke", "Trust a lost or stolen key no more, at once; clients that have no other key break.",
    "kubedeb repo key package, and bring the keyring to the clients that have only the revoked key",
)  # fmt: skip


@key.command()
@repository_option
@click.option("--suite", "-s", "suites", multiple=True, help="Only this suite; repeat.")
@terms_options
@json_option
def package(*, repository: Path | None, suites: tuple[str, ...], terms: Any, as_json: bool) -> None:
    """Build ORIGIN-archive-keyring (keys, .sources, preferences) and publish it."""
    from repo.keyringpackage import publish_package

    done = publish_package(open_root(repository, terms), suites, say)
    if as_json:
        print_json([plain(one) for one in done])
        return
    for one in done:
        what = f"published generation {one.generation} of" if one.changed else "nothing to do in"
        click.echo(f"{what} {one.suite}: keyring package {one.version}")


@key.command()
@repository_option
@passphrase_option
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def backup(*, repository: Path | None, passphrase_file: Path | None, target: Path, as_json: bool) -> None:
    """Write all keys to one file, once they have signed from it."""
    from repo.keybackup import backup as write_backup

    keys = write_backup(open_root(repository), target, passphrase_file)
    if as_json:
        print_json({"target": str(target), "keys": [one.fingerprint for one in keys.keys]})
        return
    click.echo(f"wrote {target}: {counted(len(keys.keys), 'key')}; each of ours that is in use has signed from it")


@key.command()
@repository_option
@passphrase_option
@click.option("--yes", is_flag=True, help="Take the backup's states of the keys for the repository's.")
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def restore(*, repository: Path | None, passphrase_file: Path | None, yes: bool, source: Path, as_json: bool) -> None:
    """Put the keys of a backup back, also into an empty folder."""
    from repo.keybackup import restore as restore_backup
    from repo.keyset import read_keys

    keys = read_keys(restore_backup(root_of(repository), source, passphrase_file, force=yes)).keys
    if as_json:
        print_json({"keys": [one.fingerprint for one in keys]})
        return
    for one in keys:
        click.echo(f"restored {one.fingerprint} ({one.state.value})")
