"""What the recipes of upstream's releases become: the right files, moved one daemon at a time, in both directions."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from itertools import pairwise, permutations
from pathlib import Path

import pytest

from aptclient import AptClient
from kubedeb.cli import run
from kubedeb.deb import read_contents, read_deb
from kubedeb.errors import ExitCode
from pkgbuild.library import choose, find
from stacks import NAMES, Stack
from testseed import seed

pytestmark = pytest.mark.docker
ARM64 = 183
"""The ELF machine of arm64 (elf.h, EM_AARCH64)."""
METAPACKAGES = ("kubernetes-master", "kubernetes-node", "kubernetes-client")
DAEMONS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
OURS = (*DAEMONS, *METAPACKAGES)
PREFERENCES = "".join(
    f"Package: {' '.join(OURS)}\nPin: {pin}\nPin-Priority: {priority}\n\n"
    for pin, priority in (("release a=now", 100), ("release o=example", 50), ("release *", -1))
)
"""What the archive's keyring package ships for its own names: what is installed stays until a version is named."""
LEGAL = {"kubernetes": ["1.7.16", "1.8.15", "1.9.11", "1.10.13"]}


def named(debs: list[Path]) -> dict[tuple[str, str], Path]:
    """Return the packages by name and upstream version."""
    stanzas = {path: read_deb(path).control for path in debs}
    return {(stanza["Package"], stanza["Version"].partition("-")[0]): path for path, stanza in stanzas.items()}


def upstream_binaries(stack: Stack, architecture: str) -> dict[tuple[str, str], set[str]]:
    """Return the sha256 of each binary that lies in a release, by name and version of the file it is in."""
    found: dict[tuple[str, str], set[str]] = {}
    for path, data in stack.files.items():
        if f"linux-{architecture}" not in path:
            continue
        version = next(word for word in path.replace("helm-v", "v").replace("-linux", "/").split("/") if word.startswith("v"))[
            1:
        ]
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                stream = tar.extractfile(member)
                if stream and member.mode & 0o100:
                    name = member.name.rpartition("/")[2]
                    found.setdefault((name, version), set()).add(hashlib.sha256(stream.read()).hexdigest())
    return found


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_every_binary_is_upstreams_bit_for_bit(stack: Stack, architecture: str) -> None:
    upstream = upstream_binaries(stack, architecture)
    packages = named(stack.debs(architecture))
    programs = {
        key: entry.sha256 for key, path in packages.items() for entry in read_contents(path).entries
        if entry.path == f"/usr/bin/{key[0]}"
    }  # fmt: skip
    assert len(programs) == 4 * 6 + 5 + 2
    assert {key for key, digest in programs.items() if digest not in upstream[key]} == set()


def test_the_statements_name_upstreams_archive_and_the_binary_in_the_package(stack: Stack) -> None:
    archives = {hashlib.sha256(data).hexdigest() for data in stack.files.values()}
    for path in sorted((stack.out / "amd64").glob("kubelet_*.intoto.jsonl")):
        text = path.read_text()
        statements = [json.loads(line) for line in text.splitlines()]
        definitions = [statement["predicate"].get("buildDefinition", {}) for statement in statements]
        resolved = {one["digest"].get("sha256") for about in definitions for one in about.get("resolvedDependencies", [])}
        assert len(archives & resolved) == 3


def test_arm64_is_amd64_but_for_its_programs(stack: Stack) -> None:
    ours, theirs = named(stack.debs("amd64")), named(stack.debs("arm64"))
    assert ours.keys() == theirs.keys()
    for key, path in ours.items():
        about, other = read_deb(path).control, read_deb(theirs[key]).control
        unlike = {field for field in about.keys() | other.keys() if about.get(field) != other.get(field)}
        assert unlike <= {"Architecture", "Installed-Size"}, key
        assert scripts(path) == scripts(theirs[key]), key
        mine, foreign = ({entry.path: entry for entry in read_contents(one).entries} for one in (path, theirs[key]))
        assert mine.keys() == foreign.keys(), key
        differing = {place for place in mine if mine[place].sha256 != foreign[place].sha256}
        assert differing <= {f"/usr/bin/{key[0]}", f"/usr/share/doc/{key[0]}/changelog.Debian.gz"}, key
        if f"/usr/bin/{key[0]}" in foreign:
            assert machine(theirs[key], key[0]) == ARM64, key


def scripts(path: Path) -> dict[str, bytes]:
    """Return the maintainer scripts and lists of a package, but its sums."""
    data = subprocess.run(["dpkg-deb", "--ctrl-tarfile", str(path)], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}
    return {name: data for name, data in files.items() if name not in ("./control", "./md5sums")}


def machine(path: Path, name: str) -> int:
    """Return the ELF machine of the package's program."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(path)], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        stream = tar.extractfile(f"./usr/bin/{name}")
        assert stream is not None
        return int.from_bytes(stream.read(20)[18:20], "little")


@pytest.fixture(scope="module")
def published(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish every amd64 package in one suite."""
    top = tmp_path_factory.mktemp("published")
    where = ["--repository", str(top / "repository")]
    assert run(["repo", "init", *where, "--origin", "example", "--suite", "bookworm"]) == ExitCode.DONE
    changes = [str(path) for path in sorted((stack.out / "amd64").glob("*.changes"))]
    assert run(["repo", "add", *where, "--suite", "bookworm", "--publish", *changes]) == ExitCode.DONE
    return top / "repository"


def client(published: Path, folder: Path, installed: list[Path]) -> AptClient:
    """Return an apt client on whose machine these packages are installed, with what they depend on beside ours."""
    folder.mkdir()
    stanzas = [read_deb(path).control for path in installed]
    outside = ("systemd", "iptables", "libc6", "mount", "conntrack", "ebtables", "ethtool", "socat")
    status = "".join(f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 99\n\n" for name in outside)
    for stanza in stanzas:
        fields = {**stanza, "Status": "install ok installed"}
        status += "".join(f"{field}: {value}\n" for field, value in fields.items()) + "\n"
    (folder / "status").write_text(status)
    (folder / "preferences").write_text(PREFERENCES)
    settings = (f'Dir::State::status "{folder}/status";', f'Dir::Etc::preferences "{folder}/preferences";')
    made = AptClient(folder, f"file:{published}/public", published / "keyring.gpg", options=settings)
    answer = made.update()
    assert answer.clean, answer.text
    return made


def test_a_version_is_the_same_again_with_everything_varied(stack: Stack) -> None:
    """One version of each recipe in turn; the whole of it is the long test's."""
    for name in NAMES:
        rows = choose(find([stack.recipes]), [name])
        assert checked(stack, f"{name}@{rows[seed() % len(rows)].row.version}") == ExitCode.DONE


@pytest.mark.long
def test_every_version_is_the_same_again_with_everything_varied(stack: Stack) -> None:
    assert checked(stack, *NAMES) == ExitCode.DONE


def checked(stack: Stack, *wanted: str) -> int:
    """Run `kubedeb build --check`."""
    where = ["--recipes", str(stack.recipes), "--cache", str(stack.cache), "--store", str(stack.store)]
    return run(["build", *wanted, *where, "--check", "--offline"])


def test_apt_knows_every_version(published: Path, tmp_path: Path) -> None:
    apt = client(published, tmp_path / "apt", [])
    assert apt.versions("kubelet") == [f"{version}-1~deb12u1" for version in reversed(LEGAL["kubernetes"])]
    assert apt.versions("helm") == [f"{version}-1~deb12u1" for version in ("2.12.3", "2.11.0", "2.9.1", "2.8.2", "2.7.2")]
    assert apt.versions("tiller") == [f"{version}-1~deb12u1" for version in ("2.12.3", "2.11.0")]


@pytest.mark.parametrize(("old", "new"), [*pairwise(LEGAL["kubernetes"]), ("1.7.16", "1.9.11")])
def test_one_daemon_moves_alone_in_both_directions(stack: Stack, published: Path, tmp_path: Path, old: str, new: str) -> None:
    packages = named(stack.debs())
    for number, (before, after) in enumerate(permutations((old, new))):
        apt = client(published, tmp_path / str(number), [packages[name, before] for name in OURS])
        for daemon in DAEMONS:
            said = apt.run("apt-get", "-s", "--allow-downgrades", "install", f"{daemon}={after}-1~deb12u1")
            moved = [line.split()[1] for line in said.text.splitlines() if line.startswith(("Inst ", "Remv "))]
            assert (said.status, moved) == (0, [daemon]), said.text


def test_nothing_moves_by_itself(stack: Stack, published: Path, tmp_path: Path) -> None:
    packages = named(stack.debs())
    for version in LEGAL["kubernetes"]:
        apt = client(published, tmp_path / version, [packages[name, version] for name in OURS])
        said = apt.run("apt-get", "-s", "dist-upgrade")
        assert (said.status, [line for line in said.text.splitlines() if line.startswith(("Inst ", "Remv "))]) == (0, [])


def test_ours_and_debians_kubectl_take_turns(stack: Stack, tmp_path: Path) -> None:
    """Dpkg itself unpacks both in turn: Debian's package, laid out with its version and file, and ours."""
    tree = tmp_path / "debians"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/kubectl").write_text("Debian's\n")
    (tree / "DEBIAN/control").write_text(
        "Package: kubernetes-client\nVersion: 1.20.5+really1.20.2-1.1+deb12u1\nArchitecture: amd64\n"
        "Maintainer: nobody <nobody@localhost>\nDescription: Debian's\n"
    )
    debians = tmp_path / "debians.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(debians)], check=True, capture_output=True)
    ours = named(stack.debs())["kubectl", "1.10.13"]
    meta = named(stack.debs())["kubernetes-client", "1.10.13"]
    root = tmp_path / "root"
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/updates").mkdir()
    (root / "var/lib/dpkg/status").touch()

    def dpkg(*words: str) -> int:
        argv = ["dpkg", f"--root={root}", "--force-script-chrootless", "--log=/dev/null", *words]
        return subprocess.run(argv, check=False, capture_output=True).returncode

    assert dpkg("--install", str(debians)) == 0
    assert dpkg("--install", str(ours)) == 0, (
        "dpkg takes Debian's away in favour of ours, which conflicts with it and replaces it"
    )
    assert (root / "usr/bin/kubectl").read_bytes()[:4] == b"\x7fELF"
    assert dpkg("--install", str(meta)) == 0, "the name is free for ours"
    assert dpkg("--install", str(debians)) != 0, "it replaces nothing: apt takes ours away first"
    assert dpkg("--remove", "kubectl", "kubernetes-client") == 0
    assert dpkg("--install", str(debians)) == 0
    assert (root / "usr/bin/kubectl").read_text() == "Debian's\n"
