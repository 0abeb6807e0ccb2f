"""Contents, Translation-en, phases and the timer, in the eyes of real apt and apt-file."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from aptclient import AptClient
from debs import control, deb, write_deb
from kubedeb.errors import ExitCode
from repositories import VERSIONS, Made

DOCS = Path(__file__).parents[3] / "docs/repository.md"
UNITS = Path(__file__).parents[3] / "recipes/kubedeb/debian"
ENGLISH = ('Acquire::Languages "en";',)
APT_FILE = (
    'Acquire::IndexTargets::deb::Contents-deb { MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)";'
    ' ShortDescription "Contents"; Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents (deb)";'
    ' flatMetaKey "Contents-$(ARCHITECTURE)"; flatDescription "Contents"; PDiffs "true"; KeepCompressed "true";'
    ' DefaultEnabled "true"; Identifier "Contents-deb"; };',
)


def write(made: Made, name: str, version: str, path: str, more: str = "Section: admin\n") -> Path:
    target = made.folder / f"{name}_{version}_amd64.deb"
    target.write_bytes(deb(control(name, version, more=more), data={path: b"x"}))
    return target


def test_apt_file_finds_what_is_in_which_package(published: Made) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--contents") == 0
    first = write(published, "tool-a", "1", "./usr/bin/tool with blanks")
    assert published.repo("add", "--suite", "bookworm", "--publish", first) == 0
    client = published.client("file", options=APT_FILE)
    assert client.update().clean
    assert client.run("apt-file", "find", "-F", "/usr/bin/tool with blanks").text == "tool-a: /usr/bin/tool with blanks\n"
    assert client.run("apt-file", "list", "tool-a").text == "tool-a: /usr/bin/tool with blanks\n"
    # A package is read once for it: the next publish does without the bytes of the others.
    (pool,) = (published.public / "pool").rglob("tool-a_1_amd64.deb")
    data = pool.read_bytes()
    pool.unlink()
    both = write(published, "tool-b", "1", "./usr/bin/tool with blanks", more="")
    assert published.repo("add", "--suite", "bookworm", "--publish", both) == 0
    pool.write_bytes(data)
    assert client.update().clean
    assert client.run("apt-file", "find", "-F", "/usr/bin/tool with blanks").text == (
        "tool-a: /usr/bin/tool with blanks\ntool-b: /usr/bin/tool with blanks\n"
    )
    contents = published.public / "dists/bookworm/main/Contents-amd64.xz"
    good = contents.read_bytes()
    (published.root / "chunks.sqlite").unlink()
    by_hash = contents.parent / "by-hash/SHA256" / hashlib.sha256(good).hexdigest()
    for path in (contents, by_hash):
        path.write_bytes(b"damaged")
    assert published.repo("verify") == ExitCode.VERIFY
    assert published.repo("fsck", "--repair") == 0
    assert (contents.read_bytes(), by_hash.read_bytes(), published.repo("verify")) == (good, good, 0)
    assert published.repo("init", "--origin", "kubedeb", "--no-contents") == 0
    assert published.repo("publish", "bookworm") == 0
    assert not client.update().complaints


def test_a_lost_pool_file_is_told_before_contents_are_made_of_it(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--contents") == 0
    next((published.public / "pool").rglob("*.deb")).unlink()
    before = (published.public / "dists/bookworm/InRelease").read_bytes()
    assert published.repo("publish", "bookworm") == ExitCode.REPOSITORY
    assert "missing or damaged in the pool" in capsys.readouterr().err
    assert (published.public / "dists/bookworm/InRelease").read_bytes() == before


def shown(client: AptClient, package: str) -> str:
    return client.run("apt-cache", "show", package).text


def test_apt_joins_short_and_long_descriptions(published: Made) -> None:
    english = published.client("english", options=ENGLISH)
    assert english.update().clean
    whole = shown(english, "etcd-server")
    assert published.repo("init", "--origin", "kubedeb", "--translations") == 0
    assert published.repo("publish", "bookworm") == 0
    assert english.update().clean
    assert " in two paragraphs" in whole
    described = re.sub(r"^Description(-en)?: ", "Description: ", shown(english, "etcd-server"), flags=re.MULTILINE)
    assert re.sub(r"^Description-md5: .*\n", "", described, flags=re.MULTILINE) == re.sub(
        r"^Description-md5: .*\n", "", whole, flags=re.MULTILINE
    )
    none = published.client("none")
    assert none.update().clean
    assert "in two paragraphs" not in shown(none, "etcd-server")
    # Debian's own tool gives the same digest.
    ours = set(re.findall(r"^Description-md5: (.*)$", shown(none, "etcd-server"), re.MULTILINE))
    theirs = subprocess.check_output(
        ["apt-ftparchive", "-o", "APT::FTPArchive::LongDescription=false", "packages", "pool"], cwd=published.public, text=True
    )
    assert ours == set(re.findall(r"^Description-md5: (.*)$", theirs, re.MULTILINE)) != set()
    # The package list can still be told from the indices.
    for path in (published.public / "snapshots").rglob("*.json*"):
        path.unlink()
    assert published.repo("fsck", "--repair") == 0
    assert (published.repo("fsck"), published.repo("verify"), published.repo("publish", "bookworm")) == (0, 0, 0)


def test_an_upgrade_comes_in_phases(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    newest, middle = VERSIONS[:2]
    status = published.folder / "status"
    status.write_text(
        f"Package: etcd-server\nStatus: install ok installed\nArchitecture: amd64\nVersion: {middle}\n"
        "Maintainer: nobody <nobody@localhost>\nDescription: x\n"
    )
    client = published.client(
        "host", options=(f'Dir::State::status "{status}";', f'APT::Machine-ID "{"0123456789abcdef" * 2}";')
    )

    def upgrade() -> bool:
        answer = client.update()
        assert answer.clean, answer.text
        return f"Inst etcd-server [{middle}] ({newest} " in client.run("apt-get", "--simulate", "upgrade").text

    assert upgrade()
    assert published.repo("phase", "bookworm", f"etcd-server (= {newest})", "0", "--reason", "canaries") == 0
    assert "etcd-server (= 3.5.16-1~deb12u1) for 0 % of the hosts" in capsys.readouterr().out
    assert not upgrade()
    # A version that is named comes at once.
    assert f"Inst etcd-server [{middle}]" in client.run("apt-get", "--simulate", "install", f"etcd-server={newest}").text
    assert published.repo("phase", "bookworm", f"etcd-server (= {newest})", "0") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert published.repo("phase", "bookworm", "etcd-server", "100") == 0
    assert upgrade()
    assert published.repo("phase", "bookworm", "nothing", "5") == ExitCode.PACKAGE
    assert published.repo("log", "--suite", "bookworm") == 0
    assert "canaries" in capsys.readouterr().out
    assert (published.repo("fsck"), published.repo("verify")) == (0, 0)
    own = write_deb(published.folder / "own", "evil", "1", more="Phased-Update-Percentage: 5\n")
    assert published.repo("add", "--suite", "bookworm", own) == ExitCode.PACKAGE


def test_the_timer_that_the_package_ships_is_one(tmp_path: Path) -> None:
    assert "systemctl enable --now kubedeb-resign@bookworm.timer" in DOCS.read_text()
    for name in ("kubedeb-resign@.service", "kubedeb-resign@.timer"):
        text = (UNITS / f"kubedeb.{name}").read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/kubedeb", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", *(tmp_path / f"kubedeb-resign@bookworm.{end}" for end in ("service", "timer"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, [line for line in done.stderr.splitlines() if "kubedeb" in line]) == (0, []), done.stderr
