"""The sample recipes of `tests/recipes/`, one of every build kind, laid out with the digests of the sources made for them."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import releases

RECIPES = Path(__file__).parents[1] / "recipes"
LICENCE = b"Copyright: 2026, kubedeb maintainers\nLicense: MIT\n"
SCRIPT = b"#!/bin/sh\necho hello 1.10\n"
ELF_ARM64 = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (183).to_bytes(2, "little") + bytes(44)
PIN = re.compile(r"sha256: ([A-Za-z]\S*)$", re.MULTILINE)
WHEEL = "hello_wheel-1.10-py3-none-any.whl"
DSC = "hello-daemon_1.0.dsc"
NAMES = ("hello-archive", "hello-daemon", "hello-gopath", "hello-module", "hello-single", "hello-wheel")


def tarball(top: str, files: dict[str, tuple[bytes, int]]) -> bytes:
    """Return a .tar.gz of {path: (bytes, mode)} below the folder `top`, the same bytes each time."""
    return releases.packed({f"{top}/{path}": content for path, content in files.items()})


def wheel(version: str = "1.10") -> bytes:
    """Return the wheel of one module."""
    info = f"hello_wheel-{version}.dist-info"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in {
            "hello_wheel.py": f'print("hello {version}")\n'.encode(),
            f"{info}/LICENSE": LICENCE,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: hello-wheel\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }.items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 11, 2, 12, 0, 0)), data)
    return out.getvalue()


def go_tree() -> dict[str, tuple[bytes, int]]:
    """Return the Go sample's sources."""
    folder = RECIPES / "sources/hello-go-1.10"
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), 0o644) for path in folder.rglob("*") if path.is_file()}


def sources() -> dict[str, bytes]:
    """Return every source that no tool must make, by file name."""
    licence = {"LICENSE": (LICENCE, 0o644)}
    return {
        "hello-1.10-linux-amd64.tar.gz": tarball("hello-1.10", {"bin/hello": (SCRIPT, 0o755), **licence}),
        "hello-1.10-linux-arm64.tar.gz": tarball("hello-1.10", {"bin/hello": (ELF_ARM64, 0o755), **licence}),
        "hello-1.10": SCRIPT,
        "LICENSE": LICENCE,
        WHEEL: wheel(),
        "hello-go-1.10.tar.gz": tarball("hello-go-1.10", go_tree()),
    }


def go_archive(file: Path) -> Path:
    """Pack what compiling needs of the machine's Go as upstream packs its releases, and return the file."""

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        left_out = member.name == "go/src/cmd" or member.name.endswith(("/testdata", "_test.go"))
        return None if left_out else member

    found = subprocess.run(["go", "env", "GOROOT", "GOTOOLDIR"], check=True, capture_output=True, text=True).stdout.split()
    root, tools = map(Path, found)
    names = ["VERSION", "bin/go", "src", "pkg/include"]
    names += [str((tools / tool).relative_to(root)) for tool in ("asm", "buildid", "compile", "link")]
    # Debian's Go is links to two folders.
    with tarfile.open(file, "w:gz", compresslevel=1, dereference=True) as tar:
        for name in names:
            tar.add(root / name, f"go/{name}", filter=wanted)
    return file


def debian_source(folder: Path) -> list[Path]:
    """Make hello-daemon's source package in `folder` with dpkg-source, and return its files, the .dsc first."""
    tree = folder / "hello-daemon-1.0"
    shutil.copytree(RECIPES / "sources/hello-daemon-1.0", tree)
    environment = {"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1793620800", "LC_ALL": "C.UTF-8"}
    subprocess.run(["dpkg-source", "--build", tree.name], cwd=folder, env=environment, check=True, capture_output=True)
    shutil.rmtree(tree)
    return sorted(folder.glob("hello-daemon_1.0.*"), key=lambda path: path.suffix != ".dsc")


def lay_out(folder: Path, *names: str) -> Path:
    """Write samples (all, when none is named), pinned, into `folder`, their sources into `folder`/sources; return `folder`."""
    made = folder / "sources"
    made.mkdir(parents=True)
    for name, data in sources().items():
        (made / name).write_bytes(data)
    for name in names or NAMES:
        shutil.copytree(RECIPES / name, folder / name)
        if name == "hello-daemon":
            debian_source(made)
        recipe = folder / name / "recipe.yaml"
        recipe.write_text(PIN.sub(lambda pin: f"sha256: {digest(made / pin[1])}", recipe.read_text()))
    return folder


def digest(file: Path) -> str:
    """Return a file's sha256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fill_cache(folder: Path, cache: Path) -> Path:
    """Put every source of `lay_out` into a cache of sources; return the cache."""
    (cache / "sha256").mkdir(parents=True, exist_ok=True)
    for file in (folder / "sources").iterdir():
        shutil.copyfile(file, cache / "sha256" / digest(file))
    return cache
