"""An apt client on whose machine packages of ours are installed, with the preferences that the keyring package ships."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from aptclient import AptClient
from kubedeb.cli import run
from kubedeb.errors import ExitCode

ORIGIN, SUITE = "example", "bookworm"
BOTH = ("--architecture", "amd64", "--architecture", "arm64")
OUTSIDE = ("systemd", "iptables", "libc6", "mount", "conntrack", "ebtables", "ethtool", "socat")
"""What packages of ours depend on, and the machine has."""


def publish(folder: Path, changes: Iterable[Path]) -> Path:
    """Publish packages in one suite of a new repository; return the repository."""
    where = ["--repository", str(folder / "repository")]
    assert run(["repo", "init", *where, "--origin", ORIGIN, "--suite", SUITE, *BOTH]) == ExitCode.DONE
    files = [str(path) for path in sorted(changes)]
    assert run(["repo", "add", *where, "--suite", SUITE, "--publish", *files]) == ExitCode.DONE
    return folder / "repository"


def client(published: Path, folder: Path, installed: Iterable[Mapping[str, str]], names: Iterable[str]) -> AptClient:
    """Return an apt client on whose machine these packages are installed, with our preferences for `names`."""
    folder.mkdir()
    status = "".join(f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 99\n\n" for name in OUTSIDE)
    for stanza in installed:
        status += "".join(f"{field}: {value}\n" for field, value in {**stanza, "Status": "install ok installed"}.items()) + "\n"
    (folder / "status").write_text(status)
    pins = (("release a=now", 100), (f"release o={ORIGIN}", 50), ("release *", -1))
    (folder / "preferences").write_text(
        "".join(f"Package: {' '.join(names)}\nPin: {pin}\nPin-Priority: {priority}\n\n" for pin, priority in pins)
    )
    settings = (f'Dir::State::status "{folder}/status";', f'Dir::Etc::preferences "{folder}/preferences";')
    made = AptClient(folder, f"file:{published}/public", published / "keyring.gpg", options=settings)
    answer = made.update()
    assert answer.clean, answer.text
    return made


def moves_alone(apt: AptClient, name: str, version: str) -> bool:
    """Say whether a package goes to a version, whichever way that is, and apt installs, removes and moves nothing else."""
    said = apt.run("apt-get", "-s", "--allow-downgrades", "install", f"{name}={version}")
    assert said.status == 0, said.text
    return _moved(said.text) == [name]


def moves_by_itself(apt: AptClient) -> list[str]:
    """Return what a dist-upgrade would install or remove."""
    said = apt.run("apt-get", "-s", "dist-upgrade")
    assert said.status == 0, said.text
    return _moved(said.text)


def _moved(text: str) -> list[str]:
    """Return the packages that apt would install or remove."""
    return [line.split()[1] for line in text.splitlines() if line.startswith(("Inst ", "Remv "))]
