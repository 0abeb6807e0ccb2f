"""Clean roots for the root tests, in docker: the base with what the packages depend on, and recorders where daemons are moved.

An image for each set of dependencies is made once, by the base's own apt, with a network; the tests themselves have none.
"""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kubedeb.dockerexec import execute
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from pkgbuild import dockerd, snapshot
from pkgbuild.dockerd import docker_errors
from pkgbuild.halting import Halt
from pkgbuild.rootcheck import TIMED_OUT, Done

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LIFETIME, STEP_SECONDS, LOOK_SECONDS, SATISFY_SECONDS = 3600, 300, 120, 900
ASKED = "/run/kubedeb-asked"
RECORDER = f'#!/bin/sh\\necho "$(basename "$0") $*" >>{ASKED}\\n'
# Their places are taken, not put before them on the path: scripts call /usr/sbin/invoke-rc.d as well as invoke-rc.d.
RECORDED = ("systemctl", "deb-systemd-invoke", "service", "start-stop-daemon", "initctl")
# invoke-rc.d stays, for what it does with policies; its policy says no and writes it down.
POLICY = f'#!/bin/sh\\necho "policy-rc.d $*" >>{ASKED}\\nexit 101\\n'
PREPARE = f"""set -e
exec >/kubedeb-prepare.log 2>&1
if [ -n "$1" ]; then
    apt-get update -q
    apt-get satisfy -q -y --no-install-recommends "$1"
    apt-get clean
fi
for name in {" ".join(RECORDED)}; do
    place=$(command -v $name || echo /usr/bin/$name)
    rm -f "$place"
    printf '{RECORDER}' >"$place"
    chmod 0755 "$place"
done
printf '{POLICY}' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
rm /kubedeb-prepare.log
"""
LOOK = {
    "files": "find / -xdev -printf '%p\\t%y\\t%m\\t%U:%G\\t%s\\t%T@\\t%l\\0'",
    "users": "cat /etc/passwd",
    "groups": "cat /etc/group",
    "packages": "dpkg-query --show --showformat='${Package} ${db:Status-Status} ${Version}\\n'",
    "processes": "for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || { e=$(readlink $p/exe) && echo ${p#/proc/} $e; }; done; true",
}
BETWEEN = "\x01\x02kubedeb\x02\x01"


@contextmanager
def docker_root(
    client: DockerClient,
    base: str,
    dependencies: str,
    *,
    halt: Halt,
    owner: str = "",
    used: Callable[[str], object] = lambda _: None,
) -> Iterator[DockerRoot]:
    """Give a root made of the image `base` in which `dependencies` are satisfied.

    `owner` is the file of the run that it belongs to; `used` is told the image; `halt` ends what goes on in it.

    Raises `KubedebError`: FETCH when apt cannot satisfy them, SANDBOX when
    docker fails.
    """
    image = _ensure(client, base, dependencies, owner, halt)
    used(image)
    with _container(client, image, "none", owner, halt) as container:
        root = DockerRoot(client, container)
        root.shell("mkdir -p /run/systemd/system")  # what scripts ask whether systemd runs
        yield root


def _ensure(client: DockerClient, base: str, dependencies: str, owner: str, halt: Halt) -> str:
    """Return the image for these dependencies, making it first when there is none."""
    digest = sha256_bytes("\0".join((base, dependencies, PREPARE)).encode())[:16]
    tag = f"kubedeb/roottest:{digest}"
    if dockerd.has_image(client, tag):
        return tag
    with _container(client, base, "host", owner, halt) as container:
        output = bytearray()
        argv = ["sh", "-c", PREPARE, "sh", dependencies]
        try:
            with docker_errors("making a root for the root tests"):
                status = execute(
                    client, str(container.id), argv, lambda _, block: output.extend(block), timeout=SATISFY_SECONDS,
                    env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
                )  # fmt: skip
        except TimeoutError as error:
            raise KubedebError("apt did not end while making a root for the root tests", code=ExitCode.FETCH) from error
        if status != 0:
            _, said = DockerRoot(client, container).shell("tail -n 15 /kubedeb-prepare.log")
            raise KubedebError(
                f"apt cannot satisfy what the packages depend on: {dependencies}", details=said,
                hint="--no-root-tests builds without trying the packages out, and the result says so.", code=ExitCode.FETCH,
            )  # fmt: skip
        with docker_errors(f"keeping {tag}"):
            name, _, version = tag.partition(":")
            container.commit(repository=name, tag=version, changes=[f"LABEL {dockerd.LABEL}={base}"])
    return tag


@contextmanager
def _container(client: DockerClient, image: str, network: str, owner: str, halt: Halt) -> Iterator[Container]:
    with docker_errors(f"starting a container of {image}"):
        container = client.containers.run(
            image, ["sleep", str(LIFETIME)], detach=True, auto_remove=False, network_mode=network, user="root",
            hostname="kubedeb", labels=dockerd.owned(owner), security_opt=["no-new-privileges"],
        )  # fmt: skip
    try:
        with halt.ending(partial(_kill, container)):
            yield container
    finally:
        with docker_errors("removing a container"):
            container.remove(force=True)


def _kill(container: Container) -> None:
    import docker.errors

    with docker_errors("ending a container"), suppress(docker.errors.APIError):  # it may have ended by itself
        container.kill()


@frozen
class DockerRoot:
    """A running container; see `rootcheck.CleanRoot`."""

    client: DockerClient
    container: Container

    def put(self, files: Sequence[tuple[Path, str]]) -> None:
        """Copy files into /packages."""
        for path, name in files:
            with path.open("rb") as stream:
                head = io.BytesIO()
                with tarfile.open(fileobj=head, mode="w") as tar:
                    tar.addfile(tar.gettarinfo(arcname=f"packages/{name}", fileobj=stream), stream)
            with docker_errors(f"copying {name} into the root"):
                self.container.put_archive("/", head.getvalue())

    def run(self, script: str) -> Done:
        """Run a shell script, then look at everything; see `rootcheck.CleanRoot`."""
        look = f"; printf '{BETWEEN}'; ".join(LOOK.values())
        between = f"printf '{BETWEEN}'"
        step = f"timeout --kill-after=5 {STEP_SECONDS} sh -c {shlex.quote(script)}"
        # Both outputs go through one pipe: from two, a late error would be read as what stands between the next marks.
        status, said = self.shell(
            f"exec 2>&1; {step}; s=$?; {between}; echo $s; {between}; cat {ASKED} 2>/dev/null; rm -f {ASKED}; {between}; {look}"
        )
        parts = said.split(BETWEEN)
        if status != 0 or len(parts) != 3 + len(LOOK):
            raise KubedebError("the clean root does not answer", details=said[-2000:], code=ExitCode.SANDBOX)
        output, code, asked, *looks = parts
        return Done(int(code), output, tuple(asked.splitlines()), snapshot.parse(*looks))

    def shell(self, script: str) -> tuple[int, str]:
        """Run a shell script and nothing else; return its status and all that it said."""
        output = bytearray()
        with docker_errors("running the root tests"):
            try:
                status = execute(
                    self.client, str(self.container.id), ["sh", "-c", script], lambda _, block: output.extend(block),
                    timeout=STEP_SECONDS + LOOK_SECONDS, env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
                )  # fmt: skip
            except TimeoutError:
                return TIMED_OUT, f"it did not end within {STEP_SECONDS + LOOK_SECONDS} s\n{output.decode(errors='replace')}"
        return status, output.decode(errors="replace")
