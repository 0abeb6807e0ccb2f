"""`kubedeb attest`: keys, signing and verifying of what is stated about packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import sha256_of
from pkgbuild import dsse
from pkgbuild.attest import STATEMENTS, read_lines, sign_files

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

files_argument = click.argument(
    "files", nargs=-1, required=True, metavar=f"FILE{STATEMENTS}...", type=click.Path(dir_okay=False, path_type=Path)
)


@click.group()
def attest() -> None:
    """Sign and verify what is stated about packages (docs/attestations.md)."""


@attest.command()
@click.argument("private", metavar="KEY.pem", type=click.Path(dir_okay=False, path_type=Path))
def key(private: Path) -> None:
    """Make an ed25519 key pair: KEY.pem, which signs, and KEY.pem.pub, which verifies."""
    if private.exists():
        raise KubedebError(
            f"{private} is there already", hint="Name another file; keys are not overwritten.", code=ExitCode.KEY
        )
    with storage_errors(str(private), ExitCode.KEY):
        click.echo(f"key id: {dsse.new_key(private, Path(f'{private}.pub'))}")


@attest.command()
@files_argument
@click.option("--key", "private", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="KEY.pem")
def sign(files: tuple[Path, ...], private: Path) -> None:
    """Put every statement of the files into an envelope (DSSE) signed by KEY; the files are rewritten whole."""
    signer = dsse.private_key(private)
    sign_files(files, signer)
    for path in files:
        click.echo(f"{path}: signed")


@attest.command()
@files_argument
@click.option(
    "--key", "public", required=True, multiple=True, type=click.Path(dir_okay=False, path_type=Path), metavar="KEY.pem.pub",
    help="A key that is trusted (repeatable).",
)  # fmt: skip
def verify(files: tuple[Path, ...], public: tuple[Path, ...]) -> None:
    """Verify every line of the files, and that the packages beside them are the ones that they speak of."""
    keys = [dsse.public_key(path) for path in public]
    for path in files:
        lines = read_lines(path)
        if not lines:
            raise KubedebError(f"{path} states nothing", code=ExitCode.VERIFY)
        for number, line in enumerate(lines, 1):
            said = _verified(path, number, line, keys)
            _same_file(path, said)
            click.echo(f"{path.name}: {said['predicateType']} {said['predicate'].get('verdict', '')}".rstrip())


def _verified(path: Path, number: int, line: Mapping[str, Any], keys: Sequence[Ed25519PublicKey]) -> dict[str, Any]:
    try:
        return dsse.verify(line, keys)
    except KubedebError as error:
        raise KubedebError(f"{path}, line {number}: {error.brief}", details=error.details, code=error.code) from error


def _same_file(path: Path, said: dict[str, Any]) -> None:
    try:
        subjects = {str(one["name"]): str(one["digest"]["sha256"]) for one in said["subject"]}
    except (KeyError, TypeError) as error:
        raise KubedebError(f"{path}: a statement names no file", details=repr(error), code=ExitCode.VERIFY) from error
    for name, sha256 in subjects.items():
        beside = path.with_name(Path(name).name)
        if not beside.exists():
            raise KubedebError(f"{path} speaks of {beside.name}, which is not beside it", code=ExitCode.VERIFY)
        if sha256_of(beside) != sha256:
            raise KubedebError(
                f"{path} does not speak of the {beside.name} beside it", details=f"stated sha256: {sha256}",
                code=ExitCode.VERIFY,
            )  # fmt: skip
