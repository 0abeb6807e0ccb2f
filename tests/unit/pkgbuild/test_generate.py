"""What a `go` recipe's makefile compiles and generates, as data; and the stamps of the shipped one."""

from __future__ import annotations

from pathlib import Path

import pytest

import kindsamples
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.compilecache import key
from pkgbuild.gomake import GENERATOR, MAKEFILE
from pkgbuild.library import choose, find, shipped_folder
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import Expanded, expand

PREFIX = "k8s.io/kubernetes/vendor/k8s.io/component-base/version."
TREE = "$(CURDIR)/tree/hello-module"
APART = f'cd $(GO_SOURCE) && $(GO) build -ldflags "$(GO_LDFLAGS)" -o {TREE}'
# Programs of a package: the commands that compile them.
COMPILED = {
    "one": ({"/usr/bin/hello": "./cmd/hello"}, [f"{APART}/usr/bin/hello ./cmd/hello"]),
    "together": (
        {"/usr/bin/hello": "./cmd/hello", "/usr/bin/other": "./cmd/bye"},
        [
            "mkdir -p $(CURDIR)/.kubedeb/bin",
            'cd $(GO_SOURCE) && $(GO) build -ldflags "$(GO_LDFLAGS)" -o $(CURDIR)/.kubedeb/bin/ ./cmd/hello ./cmd/bye',
            "mv $(CURDIR)/.kubedeb/bin/hello $(CURDIR)/tree/hello-module/usr/bin/hello",
            "mv $(CURDIR)/.kubedeb/bin/bye $(CURDIR)/tree/hello-module/usr/bin/other",
        ],
    ),
    "one in two places": (
        {"/usr/bin/hello": "./cmd/hello", "/usr/lib/hello": "./cmd/hello"},
        [f"{APART}/usr/bin/hello ./cmd/hello", f"cp {TREE}/usr/bin/hello {TREE}/usr/lib/hello"],
    ),
    "together, one of them in two places": (
        {"/usr/bin/hello": "./cmd/hello", "/usr/bin/other": "./cmd/bye", "/usr/lib/hello": "./cmd/hello"},
        [
            "mkdir -p $(CURDIR)/.kubedeb/bin",
            'cd $(GO_SOURCE) && $(GO) build -ldflags "$(GO_LDFLAGS)" -o $(CURDIR)/.kubedeb/bin/ ./cmd/hello ./cmd/bye',
            f"cp $(CURDIR)/.kubedeb/bin/hello {TREE}/usr/bin/hello",
            f"mv $(CURDIR)/.kubedeb/bin/hello {TREE}/usr/lib/hello",
            f"mv $(CURDIR)/.kubedeb/bin/bye {TREE}/usr/bin/other",
        ],
    ),
    "same last folder": (
        {"/usr/bin/a": "./a/cmd", "/usr/bin/b": "./b/cmd"},
        [f"{APART}/usr/bin/a ./a/cmd", f"{APART}/usr/bin/b ./b/cmd"],
    ),
    "the folder itself": ({"/usr/bin/a": ".", "/usr/bin/b": "./b"}, [f"{APART}/usr/bin/a .", f"{APART}/usr/bin/b ./b"]),
    "a major version": ({"/usr/bin/a": "./a/v2", "/usr/bin/b": "./b"}, [f"{APART}/usr/bin/a ./a/v2", f"{APART}/usr/bin/b ./b"]),
}  # fmt: skip


def sample(folder: Path, change: tuple[str, str]) -> Expanded:
    """Return the module sample, one text of its recipe exchanged."""
    kindsamples.lay_out(folder / "samples", "hello-module")
    recipe = folder / "samples/hello-module/recipe.yaml"
    text = recipe.read_text()
    assert change[0] in text
    recipe.write_text(text.replace(*change))
    return expand(choose(find([folder / "samples"]), ["hello-module@1.10"])[0], Suite.BOOKWORM, Architecture.AMD64)


def targets(made: Expanded) -> list[str]:
    """Return what the makefile says after its variables."""
    return made.tree[MAKEFILE].data.decode().partition("\n\n")[2].splitlines()


@pytest.mark.parametrize("case", COMPILED)
def test_programs_are_compiled_together_where_their_names_are_clear(case: str, tmp_path: Path) -> None:
    programs, commands = COMPILED[case]
    given = "".join(f"      {path}: {what}\n" for path, what in programs.items())
    made = sample(tmp_path, ("      /usr/bin/hello-module: ./cmd/hello\n", given))
    assert targets(made) == [".PHONY: kubedeb-go-build", "kubedeb-go-build:", *(f"\t{line}" for line in commands)]


def test_what_is_generated_comes_before_what_is_compiled(tmp_path: Path) -> None:
    with pytest.raises(KubedebError, match=r"go.generate wants debian/make-it, which is not there") as refused:
        sample(tmp_path / "a", ("  stamps:", "  generate: {script: make-it, makes: [a.go]}\n  stamps:"))
    assert refused.value.code is ExitCode.RECIPE
    (tmp_path / "a/samples/hello-module/debian/make-it").write_text("touch a.go\n")
    made = expand(choose(find([tmp_path / "a/samples"]), ["hello-module@1.10"])[0], Suite.BOOKWORM, Architecture.AMD64)
    assert targets(made)[:5] == [
        ".PHONY: kubedeb-go-generate",
        "kubedeb-go-generate:",
        f"\tcd $(GO_SOURCE) && sh $(CURDIR)/{GENERATOR} $(CURDIR)/debian/make-it a.go",
        "",
        ".PHONY: kubedeb-go-build",
    ]
    assert "kubedeb-go-build: kubedeb-go-generate" in targets(made)
    assert GENERATOR in made.tree


def test_kubernetes_restamped_differs_by_its_stamps_alone() -> None:
    old, new = (
        expand(choose(find([shipped_folder()]), [f"kubernetes-source@{version}"])[0], Suite.BOOKWORM, Architecture.AMD64).spec
        for version in ("1.19.99", "1.20.2")
    )
    assert key(old) == key(new)
    assert old.go is not None
    assert new.go is not None
    stamps = [
        {name: value for name, value in go.stamps if name.startswith(PREFIX) and "git" in name} for go in (old.go, new.go)
    ]
    assert stamps == [
        {f"{PREFIX}gitMajor": "1", f"{PREFIX}gitMinor": minor, f"{PREFIX}gitVersion": version}
        for minor, version in (("19", "v1.19.99"), ("20", "v1.20.2"))
    ]
    assert [package.says.output for package in new.packages if package.says] == [
        *["Kubernetes v1.20.2\n"] * 5, "Client Version: v1.20.2\n", "Kubernetes v1.20.2\n",
    ]  # fmt: skip
