"""Everything that apt complains about, provoked: each case gives what apt printed, on this machine or in a container."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from aptclient import AptClient
from cleanroot import Root
from foreign import HandMade, Shaky, command, stanza, write_package
from loopback import Loopback
from uploads import Signer

OLD = "20200101T000000"


class Apt(Protocol):
    """An apt that reads the sources that it is given and nothing else."""

    def run(self, sources: Sequence[str], keys: dict[str, bytes], *commands: Sequence[str]) -> str:
        """Write sources and keys, run commands one after the other whatever they return, and return what they said."""

    def again(self) -> str:
        """Update once more, with the lists and sources that are there."""


@dataclass
class HostApt:
    """The apt of this machine, with folders of its own."""

    folder: Path

    def run(self, sources: Sequence[str], keys: dict[str, bytes], *commands: Sequence[str]) -> str:
        """Run them, as `Apt.run` says."""
        parts = self.folder / "sources.list.d"
        parts.mkdir(parents=True, exist_ok=True)
        for name, data in keys.items():
            (self.folder / name).write_bytes(data)
        for path in parts.iterdir():
            path.unlink()
        for number, text in enumerate(sources):
            (parts / f"{number}.sources").write_text(text.replace("KEYS/", f"{self.folder}/"))
        return "".join(self._client().run(*argv).text for argv in commands)

    def again(self) -> str:
        """Update once more, with the lists and sources that are there."""
        return self._client().run(*UPDATE).text

    def _client(self) -> AptClient:
        options = ('Dir::Etc::sourcelist "/dev/null";', f'Dir::Etc::sourceparts "{self.folder}/sources.list.d";')
        return AptClient(self.folder, "file:/", Path("/"), options=options)


@dataclass
class ContainerApt:
    """The apt of a clean root in a container."""

    root: Root

    def run(self, sources: Sequence[str], keys: dict[str, bytes], *commands: Sequence[str]) -> str:
        """Run them, as `Apt.run` says."""
        self.root.run("sh", "-c", "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*")
        for name, data in keys.items():
            self.root.put(f"/usr/share/keyrings/{name}", data)
        for number, text in enumerate(sources):
            self.root.put(f"/etc/apt/sources.list.d/{number}.sources", text.replace("KEYS/", "/usr/share/keyrings/").encode())
        self.root.put("/etc/apt/apt.conf.d/99test", b'Acquire::Check-Date "true"; Acquire::Check-Valid-Until "true";\n'
                                                    b'Acquire::Languages "none"; Acquire::Retries "0";\n')  # fmt: skip
        return "".join(self.root.run(*argv)[1] for argv in commands)

    def again(self) -> str:
        """Update once more, with the lists and sources that are there."""
        return self.root.run(*UPDATE)[1]


UPDATE = ("apt-get", "update", "-q")


@dataclass
class World:
    """Repositories of one signer, and an apt to vex with them."""

    folder: Path
    signer: Signer
    apt: Apt

    def repository(self, name: str, **release: str) -> HandMade:
        """Return a good repository."""
        made = HandMade(self.folder / name, self.signer, release)
        package = write_package(self.folder / "in", "etcd-server", "3.5.16-1")
        made.publish(stanza(package), [package])
        return made

    def key(self) -> bytes:
        """Return the public key, as old apt wants it: binary."""
        self.signer.export(self.folder / "key.asc")
        return dearmored(self.folder / "key.asc")

    def ask(self, url: str, *commands: Sequence[str], more: str = "", key: bytes = b"", components: str = "main") -> str:
        """Let apt read the suite at `url`."""
        text = f"Types: deb\nURIs: {url}\nSuites: bookworm\nComponents: {components}\nSigned-By: KEYS/key.gpg\n{more}"
        return self.apt.run([text], {"key.gpg": key or self.key()}, *(commands or (UPDATE,)))

    def served(
        self, made: HandMade, *commands: Sequence[str], more: str = "", key: bytes = b"", components: str = "main"
    ) -> str:
        """Let apt read a repository through a web server."""
        with Shaky(made.root) as web:
            return self.ask(web.url, *commands, more=more, key=key, components=components)


def dearmored(path: Path) -> bytes:
    """Return an armored key as old apt wants it."""
    return subprocess.run(["gpg", "--dearmor"], input=path.read_bytes(), capture_output=True, check=True).stdout


def conflicting(world: World) -> str:
    made = world.repository("conflicting")
    text = f"Types: deb\nURIs: file:{made.root}\nSuites: bookworm\nComponents: main\nSigned-By: KEYS/"
    return world.apt.run([f"{text}one.gpg\n", f"{text}two.gpg\n"], {"one.gpg": world.key(), "two.gpg": world.key()}, UPDATE)


def architecture(world: World) -> str:
    # A notice, which apt tells people alone: it takes what is no terminal for quiet.
    foreign = ("apt-get", "update", "-o", "quiet=0", "-o", "APT::Architectures::=riscv64")
    return world.served(world.repository("architecture"), foreign)


def component(world: World) -> str:
    return world.served(world.repository("component"), components="contrib")


def gone(world: World) -> str:
    made = world.repository("gone")
    shutil.rmtree(made.root / "pool")
    return world.served(made, UPDATE, ("apt-get", "download", "etcd-server"))


def unreachable(world: World) -> str:
    return world.ask("http://127.0.0.1:9/")


def unresolved(world: World) -> str:
    return world.ask("http://nowhere.invalid/")


def certificate(world: World) -> str:
    made, pem = world.repository("certificate"), world.folder / "pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*request, "-keyout", pem, "-out", f"{pem}.crt"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{pem}.crt", pem)
    with _https(made.root, context) as port:
        return world.ask(f"https://localhost:{port}/")


@contextmanager
def _https(root: Path, context: ssl.SSLContext) -> Iterator[int]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: that the client does not like the certificate is what is tested."""

    server = Server(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refused(world: World) -> str:
    return _always(world, 403)


def in_trouble(world: World) -> str:
    return _always(world, 503)


def _always(world: World, code: int) -> str:
    """Let apt ask a server that has one answer to all."""

    class Refusing(Loopback):
        def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
            request.send_error(code)

    with Refusing() as web:
        return world.ask(web.url)


def twice(world: World) -> str:
    made = world.repository("twice")
    text = f"Types: deb\nURIs: file:{made.root}\nSuites: bookworm\nComponents: main\nSigned-By: KEYS/key.gpg\n"
    return world.apt.run([text, text], {"key.gpg": world.key()}, UPDATE)


def unmet(world: World) -> str:
    made = HandMade(world.folder / "unmet", world.signer, {})
    package = write_package(world.folder / "unmet-in", "etcd-server", "3.5.16-1", more="Depends: no-such-thing (>= 7)\n")
    made.publish(stanza(package, Depends="no-such-thing (>= 7)"), [package])
    return world.served(made, UPDATE, ("apt-get", "install", "-s", "etcd-server"))


def no_version(world: World) -> str:
    return world.served(world.repository("version"), UPDATE, ("apt-get", "install", "-s", "etcd-server=99"))


def no_package(world: World) -> str:
    return world.served(world.repository("package"), UPDATE, ("apt-get", "install", "-s", "no-such-thing"))


def other_bytes(world: World) -> str:
    made = world.repository("bytes")
    index = made.folder / "main/binary-amd64/Packages.gz"
    index.write_bytes(index.read_bytes()[:-1] + b"!")
    return world.served(made)


def other_size(world: World) -> str:
    made = world.repository("size")
    index = made.folder / "main/binary-amd64/Packages.gz"
    index.write_bytes(index.read_bytes() + b"more")
    return world.served(made)


def expired(world: World) -> str:
    return world.served(world.repository("expired", **{"Date": "Mon, 02 Jan 2006 15:04:05 +0000",
                                                       "Valid-Until": "Tue, 03 Jan 2006 15:04:05 +0000"}))  # fmt: skip


def too_new(world: World) -> str:
    return world.served(world.repository("new", Date="Fri, 02 Jan 2099 15:04:05 +0000"))


def identity(world: World) -> str:
    made = world.repository("identity", Date="Mon, 02 Jan 2006 15:04:05 +0000")
    with Shaky(made.root) as web:
        first = world.ask(web.url)
        made.sign(_text(made).replace("Origin: theirs", "Origin: others").replace("2006", "2007"))
        return first + world.apt.again()


def _text(made: HandMade) -> str:
    """Return what an InRelease signs."""
    return (made.folder / "InRelease").read_text().partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE")[0]


def weak(world: World) -> str:
    made = world.repository("weak")
    head = _text(made).partition("SHA256:")[0]
    made.sign(f"{head}MD5Sum:\n {'ab' * 16} 1 main/binary-amd64/Packages\n {'ab' * 16} 1 main/binary-amd64/Packages.gz\n")
    return world.served(made)


def unknown_key(world: World) -> str:
    made = world.repository("unknown")
    with Signer(world.folder / "stranger") as stranger:
        stranger.export(world.folder / "stranger.asc")
        return world.served(made, key=dearmored(world.folder / "stranger.asc"))


def expired_key(world: World) -> str:
    made = world.repository("expkey")
    plain = made.folder / "plain"
    plain.write_text(_text(made))
    home, when = world.signer.home, ("--faked-system-time", OLD)
    if b"expired@" not in subprocess.run(["gpg", "--homedir", home, "--list-keys"], capture_output=True, check=True).stdout:
        made_key = ("--passphrase", "", "--quick-generate-key", "expired@x", "ed25519", "sign", "1d")
        command(["gpg", *when, "--batch", *made_key], home)
    (made.folder / "InRelease").unlink()
    command(["gpg", *when, "--batch", "-u", "expired@x", "--clearsign", "-o", made.folder / "InRelease", plain], home)
    key = subprocess.run(["gpg", "--homedir", home, "--export", "expired@x"], capture_output=True, check=True).stdout
    return world.served(made, key=key)


def changed_text(world: World) -> str:
    made = world.repository("changed")
    inrelease = made.folder / "InRelease"
    inrelease.write_text(inrelease.read_text().replace("Origin: theirs", "Origin: others"))
    return world.served(made)


def stray_bytes(world: World) -> str:
    made = world.repository("stray")
    inrelease = made.folder / "InRelease"
    inrelease.write_text(inrelease.read_text() + "\n")
    return world.served(made)


def no_release(world: World) -> str:
    made = world.repository("none")
    (made.folder / "InRelease").unlink()
    return world.served(made)


# By the beginning of the cause that explain must name.
CASES: dict[str, tuple[Callable[[World], str], str]] = {
    "conflicting": (conflicting, "two sources name the same repository with different keyrings"),
    "architecture": (architecture, "the suite has no index for an architecture"),
    "component": (component, "the .sources file names a component"),
    "gone": (gone, "a file that the client's lists name is gone"),
    "unreachable": (unreachable, "the client does not reach the server"),
    "unresolved": (unresolved, "the client does not reach the server"),
    "refused": (refused, "the server, or a proxy before it, does not let the client"),
    "in trouble": (in_trouble, "the server, or a proxy before it, has trouble"),
    "twice": (twice, "two sources name the same repository and suite"),
    "unmet": (unmet, "a package that this one needs is in none"),
    "certificate": (certificate, "the client does not trust the server's TLS certificate"),
    "no version": (no_version, "the client's lists have no such package or version"),
    "no package": (no_package, "the client's lists have no such package or version"),
    "other bytes": (other_bytes, "an index or package is not the one"),
    "other size": (other_size, "an index or package is not the one"),
    "expired": (expired, "the Release's Valid-Until has passed"),
    "too new": (too_new, "the Release's Date is more than 10 s ahead"),
    "identity": (identity, "a field of the repository's identity has changed"),
    "weak": (weak, "Release lists no SHA256"),
    "unknown key": (unknown_key, "the client's keyring lacks the key"),
    "expired key": (expired_key, "the signing key has expired"),
    "changed text": (changed_text, "the signature does not fit"),
    "stray bytes": (stray_bytes, "what lies at this address is not a signed document alone"),
    "no release": (no_release, "there is no InRelease at this address"),
}
