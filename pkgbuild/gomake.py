"""`debian/kubedeb.mk` of a `go` recipe: Go's variables, and the target that compiles its programs; pure.

debian/rules includes it, and puts steps of its own before or after the target. What may vary (network, build path, version
control, the toolchain's own mind about which toolchain to use) is off, as facts of reproducible Go builds demand
(https://go.dev/blog/rebuild).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from kubedeb.records import frozen
from pkgbuild.recipe import Architecture, Package

MAKEFILE = "debian/kubedeb.mk"
GENERATOR = "debian/kubedeb-generate"
"""`generate.sh`, rendered: runs the recipe's script, or takes what it made the last time from the same files."""
TOOLCHAIN = ".kubedeb/toolchain"
CACHE_VARIABLE = "KUBEDEB_GOCACHE"
GARBAGE_PERCENT = "400"
"""How far Go's compiler lets garbage grow beyond what it needs (GOGC, by default 100): a fifth less CPU, more memory."""
DEBIANS_LIBRARIES = "/usr/share/gocode"
"""Where Debian's packages of Go libraries have their sources."""
KNOWS_BUILDVCS = (1, 18)
CLEAR_NAME = re.compile(r"(?!v[0-9]+$)[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A last folder that Go names a program after: not `.`, and not a module's major version."""


@frozen
class GenerateSpec:
    """The script that makes source files, by its path in the tree, and what it makes, below the sources' folder."""

    script: str
    makes: tuple[str, ...]


@frozen
class GoSpec:
    """How Go compiles; `stamps` are what the linker sets, and alone do not decide what the compiler makes."""

    source: str
    mode: str
    import_path: str
    toolchain: str
    toolchain_is_source: bool
    stamps: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    cgo: bool
    generate: GenerateSpec | None = None


def tree_folder(go: GoSpec) -> str:
    """Return where the Go sources lie in the build's folder."""
    return f"go/src/{go.import_path}" if go.import_path else "src"


def program(go: GoSpec) -> str:
    """Return the go command, as make sees it."""
    if go.toolchain_is_source:
        return f"$(CURDIR)/{TOOLCHAIN}/bin/go"
    return f"/usr/lib/{go.toolchain.removesuffix('-go').replace('golang', 'go', 1)}/bin/go"


def flags(go: GoSpec) -> list[str]:
    """Return GOFLAGS: the same in every build of the recipe, so that only the linker sees the stamp."""
    found = re.search(r"golang-([0-9]+)\.([0-9]+)-go", go.toolchain)
    version = (int(found[1]), int(found[2])) if found else KNOWS_BUILDVCS
    return [
        "-trimpath",
        *(["-buildvcs=false"] if version >= KNOWS_BUILDVCS else []),
        *(["-mod=vendor"] if go.mode == "module" else []),
        *([f"-tags={','.join(go.tags)}"] if go.tags else []),
    ]


def makefile(go: GoSpec, architecture: Architecture, packages: Iterable[Package], version: str, *, libraries: bool) -> str:
    """Return the file's text; with `libraries` what Debian's golang-*-dev packages ship is found too, by mode gopath."""
    stamps = "".join(f" -X {name}={value}" for name, value in go.stamps)
    variables = {
        "GO111MODULE": "on" if go.mode == "module" else "off",
        "GOFLAGS": " ".join(flags(go)),
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOSUMDB": "off",
        "GOWORK": "off",
        "GOENV": "off",
        "GOOS": "linux",
        "GOARCH": architecture.value,
        "CGO_ENABLED": "1" if go.cgo else "0",
        "GOPATH": f"$(CURDIR)/go:{DEBIANS_LIBRARIES}" if libraries else "$(CURDIR)/go",
        "GOCACHE": f"$(or $({CACHE_VARIABLE}),$(CURDIR)/.kubedeb/gocache)",
    }
    lines = [
        f"# Generated for version {version}: debian/rules includes it, its override_dh_auto_build needs kubedeb-go-build.",
        *(f"export {name} := {value}" for name, value in variables.items()),
        f"export GO := {program(go)}",
        f"GO_SOURCE := $(CURDIR)/{tree_folder(go)}",
        # Without symbols: the linker has half the work, and dh_strip would take them away anyway.
        f"GO_LDFLAGS := -s -w -buildid={stamps}",
        "",
        *_generating(go.generate),
        ".PHONY: kubedeb-go-build",
        f"kubedeb-go-build:{' kubedeb-go-generate' if go.generate else ''}",
        *(f"\t{line}" for line in _compiling({
            f"{package.name}{path}": what for package in packages for path, what in sorted(package.programs.items())
        })),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def go_variables(go: GoSpec | None, cache: str | None, memory: int | None) -> dict[str, str]:
    """Return variables of a build that decide nothing of its bytes, so that they are no part of the makefile and its digest.

    `cache`: where the compile cache lies in the sandbox; `memory`: the build's limit in bytes; None without one. A limited
    build keeps Go's own default.
    """
    known = {CACHE_VARIABLE: cache} if cache else {}
    return known if go is None or memory is not None else {**known, "GOGC": GARBAGE_PERCENT}


def _generating(generate: GenerateSpec | None) -> list[str]:
    if generate is None:
        return []
    words = [f"$(CURDIR)/{GENERATOR}", f"$(CURDIR)/{generate.script}", *generate.makes]
    return [".PHONY: kubedeb-go-generate", "kubedeb-go-generate:", f"\tcd $(GO_SOURCE) && sh {' '.join(words)}", ""]


def _compiling(programs: Mapping[str, str]) -> list[str]:
    """Return the commands that compile {path below tree/: Go package}.

    Go names each of several programs after its package's last folder, reads the sources once for all and links on all cores;
    where those names are not clear, each program has a command of its own. What lies in several places is linked once.
    """
    build = 'cd $(GO_SOURCE) && $(GO) build -ldflags "$(GO_LDFLAGS)" -o'
    places: dict[str, list[str]] = {}
    for path, what in programs.items():
        places.setdefault(what, []).append(f"$(CURDIR)/tree/{path}")
    names = {what: PurePosixPath(what).name for what in places}
    if len(places) < 2 or len(set(names.values())) < len(names) or not all(map(CLEAR_NAME.fullmatch, names.values())):
        apart = [[f"{build} {first} {what}", *_copies(first, others)] for what, (first, *others) in places.items()]
        return [line for lines in apart for line in lines]
    made = "$(CURDIR)/.kubedeb/bin"
    linked = {f"{made}/{name}": places[what] for what, name in names.items()}
    moves = [[*_copies(path, others), f"mv {path} {last}"] for path, (*others, last) in linked.items()]
    return [f"mkdir -p {made}", f"{build} {made}/ {' '.join(places)}", *(line for lines in moves for line in lines)]


def _copies(path: str, places: Iterable[str]) -> list[str]:
    return [f"cp {path} {place}" for place in places]
