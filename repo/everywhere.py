"""The client proof in containers, `--prove=all`: the apt of every supported Debian, under a stricter policy than its own.

Each container has no network and gets the staged suite as files. Images are named by the setting `client_images`; any that has
apt will do.
"""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedeb.config import resolve
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from kubedeb.records import frozen
from repo.client import COMPLAINT, REFUSED, Staged, apt_configuration
from repo.indices import index_objects
from repo.models import COMPONENT

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LABELS = {"kubedeb.client": "1"}
WORK = Path("/srv/kubedeb")
SECONDS = 300
# Stricter than apt's own policy and dated ahead of it (sequoia-policy-config(5)): no digest older than SHA-2, no DSA, no RSA of
# less than 3072 bits. What passes this passes for years.
POLICY = """[hash_algorithms]
md5 = "never"
ripemd160 = "never"
sha1 = "never"
sha224 = "never"
[asymmetric_algorithms]
rsa1024 = "never"
rsa2048 = "never"
dsa1024 = "never"
dsa2048 = "never"
dsa3072 = "never"
dsa4096 = "never"
brainpoolp256 = "never"
brainpoolp512 = "never"
"""
# The same for gpgv, whose versions before 2.4.6 cannot be told (RFC 4880, 9.1 and 9.4; RFC 9580): ECDSA, EdDSA, RSA.
STRONG_CURVES, RSA, LEAST_RSA, STRONG_DIGESTS = (19, 22, 27, 28), 1, 3072, (8, 9, 10)
# Apt that has gpgv in the place of sqv and knows the setting (2.9 and later) takes the same keys alone.
ALGORITHMS = 'APT::Key::Assert-Pubkey-Algo ">=rsa3072,ed25519,ed448,nistp256,nistp384,nistp521";\n'
LIST = re.compile(r"^([0-9a-f]{64})  \S*_binary-([a-z0-9-]+)_Packages$", re.MULTILINE)


@frozen
class Client:
    """An apt in an image: how it is called, and the image."""

    name: str
    image: str


def clients() -> tuple[Client, ...]:
    """Return the clients that must accept what goes live. Raises `KubedebError` (CONFIG) when the setting names none."""
    text = resolve()["client_images"].text
    pairs = [word.partition("=") for word in text.split()]
    if not pairs or not all(name and image for name, _, image in pairs):
        raise KubedebError(f"client_images is {text!r}, which is not NAME=IMAGE, separated by blanks", code=ExitCode.CONFIG)
    return tuple(Client(name, image) for name, _, image in pairs)


def prove_everywhere(staged: Staged) -> tuple[str, ...]:
    """Let the apt of every client read the staged suite, one after the other; return their names.

    Raises `KubedebError` (CLIENT) with what one of them said, or when docker or an image is missing.
    """
    wanted = clients()
    judges = _strictly(staged)
    files = _files(staged)
    with _docker() as docker:
        for client in wanted:
            _prove(docker, client, staged, files)
    return (*judges, *(f"apt of {client.name}" for client in wanted))


def _strictly(staged: Staged) -> tuple[str, ...]:
    """Let gpgv say by which keys and digests the suite is signed, and refuse those that the stricter policy does."""
    release = staged.tree / "dists" / staged.suite.name / "Release"
    checked: list[str | Path] = ["gpgv", "--status-fd", "1", "--keyring", staged.keyring, f"{release}.gpg", release]
    with tempfile.TemporaryDirectory(prefix="kubedeb-keys-") as home:
        argv: list[str | Path] = ["gpg", "--homedir", home, "--batch", "--with-colons", "--show-keys", staged.keyring]
        listed = run(argv, code=ExitCode.CLIENT)
    if found := weaknesses(run(checked, code=ExitCode.CLIENT, ok=(0, 2)).text, listed.text):
        raise KubedebError(
            f"the policy of years to come would refuse this: {found[0]}", details="\n".join(found[1:]), code=ExitCode.CLIENT,
            hint=f"Bring a key of ed25519 (kubedeb repo key introduce) and sign with SHA512. {REFUSED}",
        )  # fmt: skip
    return ("gpgv under a stricter policy",)


def weaknesses(status: str, colons: str) -> list[str]:
    """Return what is weak in the good signatures of gpgv's status lines, with keys as gpg lists them (doc/DETAILS). Pure."""
    bits: dict[str, int] = {}
    size = 0
    for fields in (line.split(":") for line in colons.splitlines()):
        if fields[0] in ("pub", "sub"):
            size = int(fields[2] or 0)
        elif fields[0] == "fpr":
            bits[fields[9]] = size
    found = []
    for row in (line.split() for line in status.splitlines() if line.startswith("[GNUPG:] VALIDSIG ")):
        fingerprint, algorithm, digest = row[2], int(row[8]), int(row[9])
        if digest not in STRONG_DIGESTS:
            found.append(f"{fingerprint} signs with digest {digest} of RFC 4880")
        if algorithm not in STRONG_CURVES and (algorithm != RSA or bits.get(fingerprint, 0) < LEAST_RSA):
            found.append(f"{fingerprint} is a key of algorithm {algorithm} of RFC 4880 with {bits.get(fingerprint, 0)} bits")
    return found


def _files(staged: Staged) -> bytes:
    """Return what a container gets, as a tar archive: the suite, the keyring, apt's configuration, the policy."""
    suite, out = staged.suite, io.BytesIO()
    dists = Path("tree/dists") / suite.name
    names = {f"tree/{name}" for name in index_objects(suite.name, staged.listed).values()}
    paths = {name: staged.tree / name.removeprefix("tree/") for name in names}
    paths |= {str(dists / name): staged.tree / "dists" / suite.name / name for name in ("InRelease", "Release", "Release.gpg")}
    source = (f"Types: deb\nURIs: file:{WORK}/tree\nSuites: {suite.name}\nComponents: {COMPONENT}\n"
              f"Signed-By: {WORK}/keyring.gpg\n")  # fmt: skip
    configuration = apt_configuration(WORK, WORK / "staged.sources", suite.architectures)
    texts = {
        "keyring.gpg": staged.keyring.read_bytes(), "staged.sources": source.encode(), "policy.toml": POLICY.encode(),
        "apt.conf": (configuration + ALGORITHMS).encode(),
    }  # fmt: skip
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder in ("state/lists/partial", "cache/archives/partial"):
            _add(archive, f"{folder}/.made", b"")
        for name, data in texts.items():
            _add(archive, name, data)
        for name, path in sorted(paths.items()):
            _add(archive, name, path.read_bytes())
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    item = tarfile.TarInfo(f"{str(WORK).lstrip('/')}/{name}")
    item.size, item.mode = len(data), 0o644
    archive.addfile(item, io.BytesIO(data))


def _prove(docker: DockerClient, client: Client, staged: Staged, files: bytes) -> None:
    with _container(docker, client) as container:
        container.put_archive("/", files)
        status, said = _run(docker, container, "apt-get", "update", "-q")
        complaints = COMPLAINT.findall(said)
        if status != 0 or complaints:
            raise _refused(client, complaints or [f"exit status {status}"], said)
        _, listed = _run(docker, container, "sh", "-c", f"sha256sum {WORK}/state/lists/*_Packages")
    taken = {architecture: digest for digest, architecture in LIST.findall(listed)}
    for architecture in staged.suite.architectures:
        digest = staged.listed[f"{COMPONENT}/binary-{architecture}/Packages"]
        # apt says nothing at all about an index that it has decided not to use.
        if digest.size and taken.get(architecture) != digest.sha256:
            raise _refused(client, [f"it did not take the index for {architecture}"], said)


def _run(docker: DockerClient, container: Container, *command: str) -> tuple[int, str]:
    from kubedeb.dockerexec import execute

    output = bytearray()
    environment = {
        "APT_CONFIG": str(WORK / "apt.conf"), "SEQUOIA_CRYPTO_POLICY": str(WORK / "policy.toml"), "LC_ALL": "C",
    }  # fmt: skip
    try:
        status = execute(
            docker, str(container.id), command, lambda _, block: output.extend(block), timeout=SECONDS, env=environment
        )
    except OSError as error:
        raise KubedebError(f"{command[0]} in a container did not end well", details=str(error), hint=REFUSED,
                           code=ExitCode.CLIENT) from error  # fmt: skip
    return status, output.decode(errors="replace")


def _refused(client: Client, complaints: list[str], said: str) -> KubedebError:
    return KubedebError(f"the apt of {client.name} refuses the staged suite", details="\n".join([*complaints, said.strip()]),
                        hint=REFUSED, code=ExitCode.CLIENT)  # fmt: skip


@contextmanager
def _docker() -> Iterator[DockerClient]:
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        client: Any = docker.from_env()
    except DockerException as error:
        raise KubedebError("docker does not answer", details=str(error), code=ExitCode.CLIENT,
                           hint=f"--prove=all needs it. {REFUSED}") from error  # fmt: skip
    try:
        yield client
    except (DockerException, RequestException) as error:
        raise KubedebError("docker failed", details=str(error), hint=REFUSED, code=ExitCode.CLIENT) from error
    finally:
        client.close()


@contextmanager
def _container(docker: DockerClient, client: Client) -> Iterator[Container]:
    """Run a container of a client's image, without a network; it goes with the block."""
    from docker.errors import ImageNotFound

    try:
        # Not run: that would fetch an image that is missing from wherever docker thinks.
        container = docker.containers.create(
            client.image, ["sleep", str(2 * SECONDS)], network_mode="none", labels=LABELS, init=True, entrypoint=[]
        )
    except ImageNotFound as error:
        raise KubedebError(
            f"there is no image {client.image} for the client {client.name}", details=str(error), code=ExitCode.CLIENT,
            hint=f"docker pull {client.image}, or make one: mmdebstrap --variant=apt {client.name} - | docker import - NAME,\n"
            f"and name it in the setting client_images. {REFUSED}",
        ) from error  # fmt: skip
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True)
