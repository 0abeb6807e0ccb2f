"""Have layers at hand: locked for the base in force, packages in the cache; the network only when some packages lack."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache
from pkgbuild.layers import Layer, LayerUpdate, Wants, bring, gone, lacking, news, resolve
from pkgbuild.store import Store

if TYPE_CHECKING:
    from pkgbuild.apt import PrivateApt

DPKG_STATUS = "./var/lib/dpkg/status"
REMAKE = "Make the base anew: kubedeb base update"


@frozen
class Layering:
    """What layers are made from; `offline`: from the store and the cache alone."""

    lock: BaseLock
    store: Store
    cache: Cache
    mirror: str
    offline: bool
    progress: Progress

    def known(self, wants: Collection[Wants]) -> dict[Wants, Layer]:
        """Return the layers that are locked, of those wanted."""
        return {want: layer for want in wants if (layer := self.store.layer(self.lock.digest, want))}

    def bring(self, layers: Iterable[Layer]) -> None:
        """Bring the packages of layers into the cache; the caller is in a session.

        Raises `KubedebError`: SOURCE_GONE naming the packages that lack when the network is off or the mirror has them no
        longer, SOURCE_MISMATCH, FETCH.
        """
        missing = lacking((entry for layer in layers for entry in layer.packages), self.cache)
        if missing and self.offline:
            raise gone(missing, "build dependencies", "the network is off")
        if missing:
            from pkgbuild.apt import suite_apt

            where = self.store.folder / "tmp"
            with suite_apt(self.lock.suite, self.lock.architecture, self.mirror, where, self.progress) as apt:
                bring(missing, "build dependencies", self.cache, apt, self.progress)

    def bring_each(self, layers: Mapping[Wants, Layer]) -> dict[Wants, KubedebError]:
        """As `bring`, but only a full disk raises; return the layers that cannot be had, each with its error."""
        try:
            self.bring(layers.values())
        except KubedebError as error:
            if error.code is ExitCode.BUILD_STORAGE:
                raise
            if len(layers) == 1:
                return dict.fromkeys(layers, error)
            if error.code is ExitCode.FETCH:  # that of all would be asked once more for each
                return {want: error for want, layer in layers.items() if lacking(layer.packages, self.cache)}
            return {lost: why for want in layers for lost, why in self.bring_each({want: layers[want]}).items()}
        return {}


def renew(store: Store, lock: BaseLock, wants: Iterable[Wants], apt: PrivateApt, progress: Progress) -> tuple[LayerUpdate, ...]:
    """Resolve layers of a base as the indices are now, keep those that are new, and say of each what that is."""
    wanted = sorted(set(wants))
    if wanted:
        apt.know(_status(store, lock))
    return tuple(_renewed(store, lock, want, apt, progress) for want in wanted)


def _renewed(store: Store, lock: BaseLock, want: Wants, apt: PrivateApt, progress: Progress) -> LayerUpdate:
    old = store.layer(lock.digest, want)
    try:
        new = resolve(lock, want, apt, progress)
    except KubedebError as error:
        if error.code is not ExitCode.RECIPE:
            raise
        return LayerUpdate(want, None, error=error)
    reason = "there was none" if old is None else ", ".join(news(old, new))
    if reason:
        store.keep_layer(new)
    return LayerUpdate(want, new, reason)


def _status(store: Store, lock: BaseLock) -> str:
    """Return dpkg's status file of a base, from its kept root."""
    import tarfile

    import zstandard

    path = store.root_file(lock)
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
