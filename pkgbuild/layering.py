"""Have a run's layers at hand: locked for the base in force, packages in the cache; the network only when some lack."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import Progress
from pkgbuild.apt import PrivateApt, host_entries, private_apt
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache
from pkgbuild.layers import Layer, Wants, bring, lacking, resolve
from pkgbuild.store import Store

DPKG_STATUS = "./var/lib/dpkg/status"


@dataclass(frozen=True)
class Layering:
    """What layers are made from; `offline`: from the store and the cache alone."""

    lock: BaseLock
    store: Store
    cache: Cache
    mirror: str
    offline: bool
    progress: Progress

    def locked(self, wants: Collection[Wants]) -> dict[Wants, Layer]:
        """Return the layer of each set of build dependencies; those that are not locked yet are resolved, and kept."""
        found = {want: self.store.layer(self.lock.digest, want) for want in wants}
        if missing := sorted(want for want, layer in found.items() if layer is None):
            with self._apt("these build dependencies are not locked yet", [" ".join(want) for want in missing]) as apt:
                apt.know(self._status())
                for want in missing:
                    layer = resolve(self.lock, want, apt, self.progress)
                    self.store.keep_layer(layer)
                    found[want] = layer
        return {want: layer for want, layer in found.items() if layer is not None}

    def bring(self, layers: Iterable[Layer]) -> None:
        """Bring the packages of layers into the cache."""
        missing = lacking((entry for layer in layers for entry in layer.packages), self.cache)
        if missing:
            names = [f"{entry.name} {entry.version}" for entry in missing]
            with self._apt("packages of build dependencies are not in the cache", names) as apt:
                bring(missing, "build dependencies", self.cache, apt, self.progress)

    @contextmanager
    def _apt(self, why: str, what: list[str]) -> Iterator[PrivateApt]:
        if self.offline:
            raise KubedebError(
                f"{why}, and this run is --offline", details="\n".join(what),
                hint="Run kubedeb base update where there is a network.", code=ExitCode.FETCH,
            )  # fmt: skip
        entries = host_entries(self.lock.suite, self.mirror, pockets=True)
        with private_apt(entries, self.lock.architecture, self.store.folder / "tmp") as apt:
            with self.progress.task(f"read Debian's indices for {self.lock.suite}"):
                apt.update()
            yield apt

    def _status(self) -> str:
        """Return dpkg's status file of the base, from its kept root."""
        import zstandard

        path = self.store.root_file(self.lock)
        try:
            with (
                path.open("rb") as packed,
                zstandard.ZstdDecompressor().stream_reader(packed) as stream,
                tarfile.open(fileobj=stream, mode="r|") as tar,
            ):
                status = next((member for member in tar if member.name == DPKG_STATUS), None)
                content = tar.extractfile(status) if status else None
                if content is not None:
                    return content.read().decode()
        except (OSError, tarfile.TarError) as error:
            raise KubedebError(f"cannot read {path}", details=str(error), hint=REMAKE, code=ExitCode.SANDBOX) from error
        raise KubedebError(f"{path} has no {DPKG_STATUS}", hint=REMAKE, code=ExitCode.SANDBOX)


REMAKE = "Make the base anew: kubedeb base update"
