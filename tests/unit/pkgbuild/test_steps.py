"""What a build of each kind runs, what its programs are compiled with, and what its compile cache is named by."""

from __future__ import annotations

from pathlib import Path

import kindsamples
from pkgbuild.compilecache import copy_cache, key
from pkgbuild.early import HOOKS
from pkgbuild.gomake import MAKEFILE, go_variables
from pkgbuild.library import choose, find
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import BuildSpec, Expanded, expand
from pkgbuild.steps import environment, steps

BUILD = f"dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes --ignore-builtin-builddeps {' '.join(HOOKS)}"
FRESH = f"{BUILD} --no-pre-clean"
DSC = """\
Format: 3.0 (quilt)
Source: x
Build-Depends: debhelper-compat (= 13), golang-1.19-go | golang-go, jq:native, win32 [windows-any], !x | y [!amd64]
Build-Depends-Arch: libc6-dev [linux-any], rsync <!nocheck>
Build-Depends-Indep: man-db (>= 2) <!nodoc> <cross>
Checksums-Sha256:
 {digest} 10 x_1.orig.tar.gz
"""


def expanded(folder: Path, name: str, architecture: Architecture = Architecture.AMD64) -> Expanded:
    if not folder.joinpath("samples").exists():
        kindsamples.lay_out(folder / "samples", "hello-module", "hello-gopath", "hello-archive")
    return expand(choose(find([folder / "samples"]), [name])[0], Suite.BOOKWORM, architecture)


def shown(spec: BuildSpec, dsc: str = "") -> list[str]:
    return [f"{step.folder}$ {' '.join(step.argv)}" for step in steps(spec, dsc)]


def test_gos_compiler_gets_more_room_unless_memory_is_limited(tmp_path: Path) -> None:
    go = expanded(tmp_path, "hello-module").spec.go
    assert go_variables(go, "/cache", None) == {"KUBEDEB_GOCACHE": "/cache", "GOGC": "400"}
    assert go_variables(go, None, 4 * 1024**3) == {}
    assert go_variables(None, None, None) == {}


def test_steps_of_each_kind(tmp_path: Path) -> None:
    assert shown(expanded(tmp_path, "hello-archive").spec) == [f"hello-archive-1.10$ {FRESH}"]
    cross = expanded(tmp_path, "hello-archive", Architecture.ARM64).spec
    assert shown(cross) == [f"hello-archive-1.10$ {FRESH} --host-arch=arm64"]
    patching = "patch --strip=1 --forward --batch --fuzz=0 --no-backup-if-mismatch --input="
    assert shown(expanded(tmp_path, "hello-gopath@1.10").spec) == [
        f"hello-gopath-1.10/go/src/example.org/hello$ {patching}../../../../.kubedeb/patches/patched.patch",
        f"hello-gopath-1.10$ {FRESH}",
    ]


def test_the_recipe_chooses_the_compression(tmp_path: Path) -> None:
    folder = tmp_path / "samples/hello-archive/recipe.yaml"
    expanded(tmp_path, "hello-archive")
    folder.write_text(folder.read_text().replace("kind: prebuilt", "kind: prebuilt\ncompression: gzip-6"))
    set_to = environment(expanded(tmp_path, "hello-archive").spec)
    assert (set_to["DPKG_DEB_COMPRESSOR_TYPE"], set_to["DPKG_DEB_COMPRESSOR_LEVEL"]) == ("gzip", "6")


def test_bullseyes_dpkg_is_told_by_options_what_others_read_from_variables(tmp_path: Path) -> None:
    expanded(tmp_path, "hello-archive")
    chosen = choose(find([tmp_path / "samples"]), ["hello-archive"])[0]
    cross = expand(chosen, Suite.BULLSEYE, Architecture.ARM64)
    path = 'PATH="$PWD/debian/kubedeb-path:$PATH" exec "$@"'
    assert shown(cross.spec) == [f"hello-archive-1.10$ sh -ec {path} sh {FRESH} --host-arch=arm64"]
    assert cross.tree["debian/kubedeb-path/dpkg-deb"].executable
    for suite in (Suite.BOOKWORM, Suite.TRIXIE):
        assert not [path for path in expand(chosen, suite, Architecture.AMD64).tree if "kubedeb-path" in path]


def test_go_is_told_everything(tmp_path: Path) -> None:
    text = expanded(tmp_path, "hello-module@1.10.1").tree[MAKEFILE].data.decode()
    for line in (
        "export GO111MODULE := on",
        "export GOFLAGS := -trimpath -buildvcs=false -mod=vendor",
        "export GOTOOLCHAIN := local",
        "export CGO_ENABLED := 0",
        "export GOPROXY := off",
        "export GO := /usr/lib/go-1.19/bin/go",
        "GO_LDFLAGS := -s -w -buildid= -X main.version=1.10.1",
    ):
        assert line in text.splitlines()


def test_a_stamp_is_not_in_the_cache_key_and_flags_are(tmp_path: Path) -> None:
    one, stamped = expanded(tmp_path, "hello-module@1.10").spec, expanded(tmp_path, "hello-module@1.10.1").spec
    assert one.digest != stamped.digest
    assert key(one) == key(stamped)
    recipe = tmp_path / "samples/hello-module/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("  stamps:", "  tags: [extra]\n  stamps:"))
    assert key(expanded(tmp_path, "hello-module@1.10").spec) != key(one)


def test_a_copied_cache_never_writes_into_the_kept_one(tmp_path: Path) -> None:
    kept, copy = tmp_path / "kept", tmp_path / "copy"
    (kept / "00").mkdir(parents=True)
    (kept / "00/x-a").write_text("action")
    (kept / "00/x-d").write_text("data")
    copy_cache(kept, copy)
    (copy / "00/x-a").write_text("changed")
    assert (kept / "00/x-a").read_text() == "action"
    assert (copy / "00/x-d").samefile(kept / "00/x-d")
