"""The release files of the shipped recipes, in upstream's layouts, with the stand-in program for every binary.

`program` compiles it once for each architecture, `release` lays out what an archive of a recipe holds, and `stand_in` copies
recipes with the digests of those files in place of upstream's: the product's recipes are not changed for tests.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

import copiedrecipe

HERE = Path(__file__).parent
RECIPES = HERE.parents[1] / "recipes"
ARCHITECTURES = ("amd64", "arm64")
STAMP = b"@release@"
ROOM = len("@release@                               ")
"""Bytes of the stamp in the program, which a release's version is written over."""
NOTHING = b"nothing but a name\n"
LICENCE = b"Copyright 2014 The Kubernetes Authors.\nLicensed under the Apache License, Version 2.0.\n"
SERVER = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
"""What the server's tarball has an image of beside the binary."""
OLDEST = {"etcd": "3.3.25"}
"""The oldest release that was asked for its flags: those that it takes may be older."""
PLUGINS = {
    "containernetworking-plugins": (
        "", "bridge", "dhcp", "flannel", "host-local", "ipvlan", "loopback", "macvlan", "portmap", "ptp", "sample", "tuning",
        "vlan",
    ),
    "containernetworking-plugins-0799f573": (
        "bin/", "bridge", "cnitool", "dhcp", "flannel", "host-local", "ipvlan", "loopback", "macvlan", "noop", "ptp", "tuning",
    ),
}  # fmt: skip
"""By recipe: the folder in upstream's archive, and the plugins there."""
SINGLE = ("calico", "calico-upgrade")
"""Recipes whose sources are single files, each a program."""
UNUSED = ("apiextensions-apiserver", "hyperkube", "kubeadm", "mounter")
"""Binaries of upstream's that no package of ours has; they would only make the files larger."""
PIN = re.compile(r"^( +)(sha256|sha512): [0-9a-f]+$")

DAEMONS = frozenset({"etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"})
"""What listens."""
VARIANTS = {"whole": "nethttpomithttp2", "tools": "tools"}
"""The tags of each way that the program is compiled; nobody asks a stand-in for HTTP/2, which Go would compile in."""

Files = dict[str, tuple[bytes, int]]
"""What is in an archive: {path: (bytes, mode)}."""
Named = Callable[[str], bytes]
"""Returns the program of a name, stamped with its release."""


@dataclass(frozen=True)
class Program:
    """The stand-in for one architecture: all of it, and without what listens, a third as large."""

    whole: bytes
    tools: bytes

    def of(self, name: str, version: str) -> bytes:
        """Return the program of a name, as that of a release."""
        return stamped(self.whole if name in DAEMONS else self.tools, version)


def program(folder: Path) -> dict[str, Program]:
    """Compile the stand-in in `folder` for each architecture: static, the same bytes each time."""
    source = folder / "standin"
    shutil.copytree(HERE / "standin", source)
    (source / "flags.json").write_text(json.dumps(flags()))
    return {
        architecture: Program(**{name: _compiled(source, architecture, tags) for name, tags in VARIANTS.items()})
        for architecture in ARCHITECTURES
    }


def _compiled(source: Path, architecture: str, tags: str) -> bytes:
    settings = {"CGO_ENABLED": "0", "GOARCH": architecture, "GOFLAGS": "-trimpath -mod=mod", "GOPROXY": "off"}
    out = source.parent / f"{architecture}-{tags}"
    argv = ["go", "build", "-tags", tags, "-ldflags", "-s -w -buildid=", "-o", str(out), "."]
    subprocess.run(argv, cwd=source, env={**os.environ, **settings}, check=True, timeout=600)
    return out.read_bytes()


def flags() -> list[dict[str, str]]:
    """Return the table that the stand-in embeds: the flags that some release refuses, from the knowledge rows."""
    from kubedeb.knowledge.loader import load

    return [
        {"Component": row.component, "Flag": row.flag, "First": row.first or "", "Gone": row.gone or ""}
        for row in load().flags if row.first is None or row.first != OLDEST.get(row.component)
    ]  # fmt: skip


def stamped(binary: bytes, version: str) -> bytes:
    """Return the program as that of a release."""
    assert binary.count(STAMP + b" ") == 1
    return binary.replace(STAMP + b" " * (ROOM - len(STAMP)), (STAMP.decode() + version).ljust(ROOM).encode())


def kubernetes(part: str, named: Named) -> Files:
    """Return what `kubernetes-PART-linux-ARCH.tar.gz` holds, PART server, node or client."""
    names = {
        "server": ("apiextensions-apiserver", "hyperkube", "kubeadm", "kubectl", "kubelet", "mounter", *SERVER),
        "node": ("kubeadm", "kubectl", "kubelet", "kube-proxy"),
        "client": ("kubectl",),
    }[part]
    files = {f"kubernetes/{part}/bin/{name}": (NOTHING if name in UNUSED else named(name), 0o755) for name in names}
    if part == "server":
        for name in SERVER:
            files[f"kubernetes/server/bin/{name}.docker_tag"] = (b"v0\n", 0o644)
            files[f"kubernetes/server/bin/{name}.tar"] = (NOTHING, 0o644)
        files["kubernetes/addons/README.md"] = (NOTHING, 0o644)
    if part != "client":
        files["kubernetes/LICENSES"] = (LICENCE, 0o644)
        files["kubernetes/kubernetes-src.tar.gz"] = (NOTHING, 0o644)
    return files


def etcd(version: str, architecture: str, named: Named) -> Files:
    """Return what `etcd-vVERSION-linux-ARCH.tar.gz` holds."""
    top = f"etcd-v{version}-linux-{architecture}"
    return {
        **{f"{top}/{name}": (named(name), 0o755) for name in ("etcd", "etcdctl")},
        **{f"{top}/{name}": (NOTHING, 0o644) for name in ("README.md", "README-etcdctl.md", "Documentation/README.md")},
    }


def helm(version: str, architecture: str, named: Named) -> Files:
    """Return what `helm-vVERSION-linux-ARCH.tar.gz` holds: tiller too from 2.11 on (helm/helm pull request 4443)."""
    names = ("helm", "tiller") if tuple(map(int, version.split("."))) >= (2, 11, 0) else ("helm",)
    top = f"linux-{architecture}"
    return {
        **{f"{top}/{name}": (named(name), 0o755) for name in names},
        f"{top}/LICENSE": (LICENCE, 0o644), f"{top}/README.md": (NOTHING, 0o644),
    }  # fmt: skip


def plugins(recipe: str, named: Named) -> Files:
    """Return what an archive of CNI's plugins holds."""
    folder, *names = PLUGINS[recipe]
    return {f"./{folder}{name}": (named(name), 0o755) for name in names}


def release(recipe: str, source: str, version: str, architecture: str, program: Program) -> bytes:
    """Return the file that a recipe's archive source names."""

    def named(name: str) -> bytes:
        return program.of(name, version)

    if recipe == "kubernetes":
        return packed(kubernetes(source.removeprefix("kubernetes-"), named))
    if recipe == "helm":
        return packed(helm(version, architecture, named))
    if recipe in PLUGINS:
        return packed(plugins(recipe, named))
    if recipe in SINGLE:
        return named(source)
    return packed(etcd(version, architecture, named))


def packed(files: Files) -> bytes:
    """Return a .tar.gz, the same bytes each time."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0, compresslevel=1) as stream,
        tarfile.open(fileobj=stream, mode="w") as tar,
    ):
        for path, (data, mode) in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode, member.mtime = len(data), mode, 1_500_000_000
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def stand_in(names: Iterable[str], programs: Mapping[str, Program], recipes: Path, cache: Path) -> dict[str, bytes]:
    """Copy recipes into `recipes`, pinned to stand-in releases, which go into a cache of sources; return {URL path: file}."""
    made: dict[str, bytes] = {}
    for name in names:
        copiedrecipe.copy(recipes, name)
        given = yaml.safe_load((RECIPES / name / "recipe.yaml").read_text())
        pins: list[str | None] = []
        for row in given["versions"]:
            for architecture, sources in row["sources"].items():
                for source in sources:
                    if source["kind"] != "archive":
                        pins.append(None)
                        continue
                    version = row.get("parts", {}).get(source["name"], row["version"])
                    data = release(name, source["name"], version, architecture, programs[architecture])
                    url = source["url"].replace("{version}", version).replace("{architecture}", architecture)
                    made[urlsplit(url).path] = data
                    pins.append(hashlib.sha256(data).hexdigest())
                    (cache / "sha256").mkdir(parents=True, exist_ok=True)
                    (cache / "sha256" / str(pins[-1])).write_bytes(data)
        _pin(recipes / name / "recipe.yaml", pins)
    return made


def _pin(recipe: Path, pins: list[str | None]) -> None:
    """Write the digests in place of those that are there, in their order; None leaves one as it is."""
    left = iter(pins)
    lines = []
    for line in recipe.read_text().splitlines(keepends=True):
        pin = PIN.match(line)
        digest = next(left) if pin or line.strip().startswith("unpinned:") else None
        indent = line[: len(line) - len(line.lstrip())]
        lines.append(f"{indent}sha256: {digest}\n" if digest else line)
    recipe.write_text("".join(lines))
