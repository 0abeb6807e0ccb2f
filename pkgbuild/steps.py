"""The commands of a build, in order: unpack and patch where there are sources, then dpkg-buildpackage; pure."""

from __future__ import annotations

from collections.abc import Mapping

from kubedeb.records import frozen
from pkgbuild.early import HOOKS
from pkgbuild.gomake import tree_folder
from pkgbuild.layout import OVERLAY, folder_name
from pkgbuild.recipe import BUILD_ARCHITECTURE, Kind
from pkgbuild.render import COMPRESSOR, COPYRIGHT, OUR_CHANGELOG, PATCHES, WITHOUT_VARIABLES
from pkgbuild.spec import BuildSpec

# The base holds no compiler, which dpkg counts among what every build may rely on.
BUILD_COMMAND = (
    "dpkg-buildpackage", "--build=binary", "--unsigned-source", "--unsigned-changes", "--ignore-builtin-builddeps", *HOOKS,
)  # fmt: skip
SPLICE = f"cat {OUR_CHANGELOG} debian/changelog >.kubedeb/whole && cat .kubedeb/whole >debian/changelog && rm -r .kubedeb"
OWN_PATH = f'PATH="$PWD/{COMPRESSOR.rpartition("/")[0]}:$PATH" exec "$@"'
# What dpkg-source wrote down as applied is what it believes; without this it would try ours a second time.
QUILT = 'test ! -e .pc/applied-patches || for name; do echo "$name" | tee -a debian/patches/series >>.pc/applied-patches; done'


@frozen
class Step:
    """A command and the folder, below the build root, that it runs in."""

    argv: tuple[str, ...]
    folder: str = ""


def steps(spec: BuildSpec, dsc: str) -> tuple[Step, ...]:
    """Return the commands of a build; `dsc` is the .dsc's file name, where the spec has a dsc source."""
    # What we laid out ourselves has nothing to clean; a source package of somebody else's may hold what its clean removes.
    fresh = () if spec.kind == Kind.DEBIAN else ("--no-pre-clean",)
    build = (*BUILD_COMMAND, *fresh, *_host(spec))
    if spec.suite in WITHOUT_VARIABLES:
        build = ("sh", "-ec", OWN_PATH, "sh", *build)
    return (*_unpacking(spec, dsc), Step(build, folder_name(spec)))


def _unpacking(spec: BuildSpec, dsc: str) -> tuple[Step, ...]:
    root = folder_name(spec)
    if spec.kind == Kind.DEBIAN:
        return (
            Step(("dpkg-source", "--extract", dsc, root)),
            Step(("cp", "--archive", f"{OVERLAY}/.", root)),
            *_patches(spec, root, f"../{OVERLAY}"),
            *([Step(("sh", "-ec", QUILT, "sh", *spec.patches), root)] if spec.patches else []),
            Step(("sh", "-ec", SPLICE), root),
        )
    if spec.go is None:
        return ()
    folder = f"{root}/{tree_folder(spec.go)}"
    unpack = (Step(("dpkg-source", "--extract", dsc, folder)),) if dsc else ()
    up = "/".join([".."] * (1 + tree_folder(spec.go).count("/")))
    return (*unpack, *_copyright(spec, dsc), *_patches(spec, folder, up))


def _copyright(spec: BuildSpec, dsc: str) -> tuple[Step, ...]:
    """Return what takes the copyright file from the unpacked source package, where it is from there."""
    source, _, inside = (spec.copyright or "").partition("/")
    if not dsc or spec.go is None or source != spec.go.source:
        return ()
    return (Step(("cp", f"{tree_folder(spec.go)}/{inside}", COPYRIGHT), folder_name(spec)),)


def _patches(spec: BuildSpec, folder: str, up: str) -> tuple[Step, ...]:
    options = ("--strip=1", "--forward", "--batch", "--fuzz=0", "--no-backup-if-mismatch")
    return tuple(Step(("patch", *options, f"--input={up}/{PATCHES}/{name}"), folder) for name in spec.patches)


def _host(spec: BuildSpec) -> tuple[str, ...]:
    return () if spec.architecture == BUILD_ARCHITECTURE else (f"--host-arch={spec.architecture}",)


def environment(spec: BuildSpec) -> Mapping[str, str]:
    """Return the variables that a build gets beside those of its surroundings."""
    compressor, _, level = spec.compression.partition("-")
    profiles = {"DEB_BUILD_PROFILES": " ".join(spec.build_profiles)} if spec.build_profiles else {}
    return {
        "SOURCE_DATE_EPOCH": str(spec.epoch),
        "DEB_BUILD_OPTIONS": " ".join(spec.build_options),
        "DPKG_DEB_COMPRESSOR_TYPE": compressor,
        "DPKG_DEB_COMPRESSOR_LEVEL": level,
        **profiles,
    }
