"""Other people's repositories: made by aptly and reprepro, or by hand with anything in them; and a web server that fails."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from debs import control, deb
from loopback import Loopback
from uploads import Signer

MORE = "Section: net\nPriority: optional\n"


def write_package(folder: Path, name: str, version: str, more: str = "", size: int = 0) -> Path:
    """Write a package that reprepro takes too: it wants a section and a priority. `size` makes it larger."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{version.rpartition(':')[2]}_amd64.deb"
    content = hashlib.sha256(name.encode()).digest() * (size // 32) or version.encode()
    path.write_bytes(deb(control(name, version, more=MORE + more), form="", data={f"./{name}.txt": content}))
    return path


def aptly(root: Path, home: Path, packages: Sequence[Path]) -> Path:
    """Make a repository with aptly, or bring it up to date, and return aptly's own folder."""
    configuration = root / "aptly.conf"
    new = not configuration.exists()
    root.mkdir(parents=True, exist_ok=True)
    configuration.write_text(json.dumps({"rootDir": str(root), "architectures": ["amd64"]}))

    def run(*arguments: str | Path) -> None:
        command(["aptly", f"-config={configuration}", *arguments], home)

    if new:
        run("repo", "create", "-distribution=bookworm", "ours")
    run("repo", "add", "ours", *packages)
    run("publish", *(("repo", "-batch", "-acquire-by-hash", "ours") if new else ("update", "-batch", "bookworm")))
    return root


def reprepro(root: Path, home: Path, packages: Sequence[Path], sources: Sequence[Path] = ()) -> Path:
    """Make a repository with reprepro, or bring it up to date, and return its folder."""
    (root / "conf").mkdir(parents=True, exist_ok=True)
    (root / "conf/distributions").write_text(
        "Codename: bookworm\nOrigin: theirs\nArchitectures: amd64 source\nComponents: main\nSignWith: yes\n"
    )
    command(["reprepro", "-b", root, "includedeb", "bookworm", *packages], home)
    for dsc in sources:
        command(["reprepro", "-b", root, "--section", "net", "--priority", "optional", "includedsc", "bookworm", dsc], home)
    return root


def command(argv: Sequence[str | Path], home: Path) -> None:
    """Run a tool that signs with the key in `home`."""
    environment = {"GNUPGHOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)


def stanza(path: Path, **changes: str | None) -> str:
    """Return a package's stanza of Packages, with fields changed, or left out where they are None."""
    name, version, architecture = path.name.removesuffix(".deb").split("_")
    data = path.read_bytes()
    fields: dict[str, str | None] = {
        "Package": name, "Version": version, "Architecture": architecture, "Filename": f"pool/{path.name}",
        "Size": str(len(data)), "SHA256": hashlib.sha256(data).hexdigest(), **changes,
    }  # fmt: skip
    return "".join(f"{field}: {value}\n" for field, value in fields.items() if value is not None)


@dataclass
class HandMade:
    """A repository written by hand in `root`, signed by `signer`; whatever is wrong with it is signed too."""

    root: Path
    signer: Signer
    release: dict[str, str] = field(default_factory=dict)
    suite: str = "bookworm"
    detached: bool = False

    @property
    def folder(self) -> Path:
        """Return where the Release is: in the root itself for a flat repository."""
        return self.root if self.suite == "./" else self.root / "dists" / self.suite

    def publish(self, packages: str | bytes, files: Iterable[Path] = (), *, pack: Callable[[bytes], bytes] = gzip.compress,
                suffix: str = ".gz", plain: int | None = None) -> None:  # fmt: skip
        """Write index, pool and Release; `plain` is the size that Release says the index unpacks to."""
        data = packages.encode() if isinstance(packages, str) else packages
        name = "Packages" if self.suite == "./" else "main/binary-amd64/Packages"
        index = self.folder / f"{name}{suffix}"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_bytes(packed := pack(data))
        pool = self.root if self.suite == "./" else self.root / "pool"
        pool.mkdir(exist_ok=True)
        for path in files:
            shutil.copy(path, pool / path.name)
        size = len(data) if plain is None else plain
        rows = [f" {hashlib.sha256(data).hexdigest()} {size} {name}\n",
                f" {hashlib.sha256(packed).hexdigest()} {len(packed)} {name}{suffix}\n"]  # fmt: skip
        now = formatdate(time.time(), usegmt=True)
        fields = {"Origin": "theirs", "Suite": "bookworm", "Date": now, "Architectures": "amd64", "Components": "main",
                  **self.release}  # fmt: skip
        text = "".join(f"{key}: {value}\n" for key, value in fields.items() if value) + f"SHA256:\n{''.join(rows)}"
        self.sign(text)

    def sign(self, text: str) -> None:
        """Write a Release, signed inline, or with a signature beside it as old repositories have."""
        for name in ("InRelease", "Release", "Release.gpg"):
            (self.folder / name).unlink(missing_ok=True)
        if self.detached:
            (self.folder / "Release").write_text(text)
            command(["gpg", "--batch", "--armor", "--detach-sign", "-o", self.folder / "Release.gpg", self.folder / "Release"],
                    self.signer.home)  # fmt: skip
        else:
            plain = self.folder / "plain"
            plain.write_text(text)
            command(["gpg", "--batch", "--clearsign", "-o", self.folder / "InRelease", plain], self.signer.home)
            plain.unlink()


@dataclass
class Shaky(Loopback):
    """A web server for a folder: `cut` answers for paths with `where` end after `after` bytes; `log` has path and range.

    `hang` seconds pass in the middle of such an answer instead of its end.
    """

    root: Path
    where: str = "/pool/"
    cut: int = 0
    after: int = 1000
    hang: float = 0.0
    ranges: bool = True
    log: list[tuple[str, str]] = field(default_factory=list)

    def asked(self, where: str = "/pool/") -> list[tuple[str, str]]:
        """Return what was asked for among paths with `where`."""
        return [(path, wanted) for path, wanted in self.log if where in path]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one GET, whole or not."""
        wanted = request.headers.get("Range", "")
        with self._lock:
            self.log.append((request.path, wanted))
            cut = self.cut > 0 and self.where in request.path
            self.cut -= cut
        path = self.root / request.path.lstrip("/")
        if not path.is_file():
            request.send_error(404)
            return
        data = path.read_bytes()
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start >= len(data) and start:
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        body = data[start:]
        request.wfile.write(body[: self.after] if cut else body)
        if cut:
            request.wfile.flush()
            time.sleep(self.hang)
            request.close_connection = True
