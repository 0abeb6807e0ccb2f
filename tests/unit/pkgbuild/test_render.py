"""The rendered tree: Debian's own parsers read it, and what cannot be rendered names the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from debian.changelog import Changelog
from debian.deb822 import Deb822

import samplerecipe
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.library import choose, find, load, shipped_folder
from pkgbuild.lint import lint
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.render import TreeFile
from pkgbuild.schema import SCHEMA_FILE, schema
from pkgbuild.spec import expand


def tree(folder: Path, name: str = "hello", suite: Suite = Suite.BOOKWORM) -> dict[str, TreeFile]:
    return expand(choose(find([folder]), [name])[0], suite, Architecture.AMD64).tree


def text(folder: Path, path: str, name: str = "hello") -> str:
    return tree(folder, name)[path].data.decode()


def test_debian_reads_the_changelog(tmp_path: Path) -> None:
    entry = Changelog(text(samplerecipe.write_recipe(tmp_path), "debian/changelog"), strict=True)[0]
    assert (entry.package, str(entry.version), entry.distributions) == ("hello", "1.10-1~deb12u1", "bookworm")
    assert entry.date == "Mon, 23 Nov 2026 12:00:00 +0000"
    assert entry.changes() == ["", "  * The first.", ""]


def test_a_long_change_is_one_entry_on_several_lines(tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path)
    recipe = folder / "hello/recipe.yaml"
    said = "Never from source because it misbehaves when it is built with a newer Go than that of its time (issue 6951)."
    recipe.write_text(recipe.read_text().replace("The first.", said))
    lines = text(folder, "debian/changelog").splitlines()
    assert max(map(len, lines)) <= 80
    entry = "\n".join(lines[2:4])
    assert entry.startswith("  * Never from source")
    assert entry.removeprefix("  * ").replace("\n    ", " ") == said


def test_templates_are_filled_and_plain_files_are_not(tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path)
    (folder / "hello/debian/hello.docs").write_text("{{ version }}\n")
    assert "Architecture: amd64\n" in text(folder, "debian/control")
    assert text(folder, "debian/hello.docs") == "{{ version }}\n"
    assert tree(folder)["debian/rules"].executable


def test_what_is_laid_out_is_installed(tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path)
    (folder / "hello/files/hello/etc").mkdir(parents=True)
    (folder / "hello/files/hello/etc/hello.conf").write_text("x\n")
    (folder / "hello/debian/hello.install").write_text("more usr/share/more\n")
    assert text(folder, "debian/hello.install") == (
        "tree/hello/etc/hello.conf etc\ntree/hello/usr/bin/hello usr/bin\nmore usr/share/more\n"
    )
    assert text(folder, "tree/hello/etc/hello.conf") == "x\n"


BAD = {
    "a name nobody knows": ("control.j2", "{{ verzion }}", "debian/control.j2:1: 'verzion' is undefined"),
    "half a character": (
        "control.j2",
        "{{ '\\ud800' }}",
        "debian/control.j2:1: UnicodeEncodeError: 'utf-8' codec can't encode",
    ),
    "a sum that fails": ("control.j2", "x\n{{ 1 / 0 }}", "debian/control.j2:2: ZeroDivisionError: division by zero"),
    "a broken template": ("control.j2", "x\n{% if %}", "debian/control.j2:2: Expected an expression"),
    "a generated file": ("changelog", "x", "debian/changelog: this file is generated"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_rendered_names_the_file(what: str, tmp_path: Path) -> None:
    name, content, message = BAD[what]
    folder = samplerecipe.write_recipe(tmp_path)
    (folder / "hello/debian" / name).write_text(content)
    with pytest.raises(KubedebError) as raised:
        tree(folder)
    assert message in raised.value.brief
    assert raised.value.code is ExitCode.RECIPE
    assert [message in finding for finding in lint(load(folder / "hello"))] == [True]


LINT = {
    "nothing": ({}, []),
    "a package that control lacks": (
        {"debian/control.j2": "Source: hello\n\nPackage: other\n"},
        [
            "debian/control has package other, which recipe.yaml does not list",
            "recipe.yaml lists package hello, which debian/control does not have",
        ],
    ),
    "an override that does not say why": (
        {"debian/hello.lintian-overrides": "# why\nno-manual-page\n\nodd-thing\n"},
        ["debian/hello.lintian-overrides, line 4: no comment above it says why"],
    ),
    "a stray file": ({"files/helo/x": "x"}, ["files/helo/x belongs to no package of the recipe"]),
}  # fmt: skip


@pytest.mark.parametrize("what", LINT)
def test_lint(what: str, tmp_path: Path) -> None:
    files, findings = LINT[what]
    folder = samplerecipe.write_recipe(tmp_path) / "hello"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    assert lint(load(folder)) == findings


def test_lint_wants_control_and_rules(tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path) / "hello"
    (folder / "debian/rules").unlink()
    assert lint(load(folder)) == ["debian/rules is missing"]


def test_the_schema_beside_the_recipes_is_the_models() -> None:
    kept = (shipped_folder() / SCHEMA_FILE).read_text()
    assert kept == schema(), "kubedeb recipe schema > recipes/recipe.schema.json"


def test_etcd_touches_no_running_daemon_and_ships_no_tunable() -> None:
    rendered = expand(choose(find([shipped_folder()]), ["etcd@3.4.23"])[0], Suite.BOOKWORM, Architecture.AMD64).tree
    control = list(Deb822.iter_paragraphs(rendered["debian/control"].data.decode(), use_apt_pkg=False))
    assert [stanza.get("Package") for stanza in control] == [None, "etcd-server", "etcd-client", "etcd-3.4"]
    assert b"--no-start --no-stop-on-upgrade --no-enable" in rendered["debian/rules"].data
    unit = rendered["debian/etcd-server.etcd.service"].data.decode().splitlines()
    for line in (
        "Type=notify",
        "User=etcd",
        "EnvironmentFile=-/etc/default/etcd",
        "StateDirectory=etcd",
        "StateDirectoryMode=0700",
    ):
        assert line in unit
    assert not [path for path in rendered if "/etc/default" in path]


TWO = samplerecipe.RECIPE.replace(
    "  - name: hello\n",
    "  - name: hello-{series}\n    contents:\n      - /usr/share/hello/{series}/about\n  - name: hello\n",
    1,
)


def test_a_package_may_carry_the_series_in_its_name_and_paths(tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path, TWO)
    (folder / "hello/files/hello-{series}/usr/share/hello/{series}").mkdir(parents=True)
    (folder / "hello/files/hello-{series}/usr/share/hello/{series}/about").write_text("x\n")
    (folder / "hello/debian/hello-{series}.docs.j2").write_text("{{ series }}\n")
    expanded = expand(choose(find([folder]), ["hello"])[0], Suite.BOOKWORM, Architecture.AMD64)
    assert [(package.name, package.contents) for package in expanded.spec.packages] == [
        ("hello-1.10", ("/usr/share/hello/1.10/about",)), ("hello", ()),
    ]  # fmt: skip
    assert expanded.tree["debian/hello-1.10.docs"].data == b"1.10\n"
    assert expanded.tree["debian/hello-1.10.install"].data == (
        b"tree/hello-1.10/usr/share/hello/1.10/about usr/share/hello/1.10\n"
    )


def test_a_version_may_be_without_a_package(tmp_path: Path) -> None:
    text = TWO.replace("    changes:", '    without: ["hello-{series}"]\n    changes:')
    folder = samplerecipe.write_recipe(tmp_path, text)
    (folder / "hello/files/hello-{series}/usr").mkdir(parents=True)
    (folder / "hello/files/hello-{series}/usr/about").write_text("x\n")
    expanded = expand(choose(find([folder]), ["hello"])[0], Suite.BOOKWORM, Architecture.AMD64)
    assert [package.name for package in expanded.spec.packages] == ["hello"]
    assert not [path for path in expanded.tree if "hello-" in path]
    assert lint(load(folder / "hello")) == []


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("[helo]", "version 1.10 is without helo, which the recipe does not have"),
        ("[hello]", "version 1.10 is without every package"),
    ],
)
def test_what_a_version_is_without_must_be_there_and_not_be_all(tmp_path: Path, without: str, said: str) -> None:
    folder = samplerecipe.write_recipe(
        tmp_path, samplerecipe.RECIPE.replace("    changes:", f"    without: {without}\n    changes:")
    )
    with pytest.raises(KubedebError) as raised:
        load(folder / "hello")
    assert said in raised.value.brief + raised.value.details


def test_a_recipe_writes_its_copyright_file_where_no_source_has_one(tmp_path: Path) -> None:
    lines = [line for line in samplerecipe.RECIPE.splitlines(keepends=True) if not line.startswith("copyright:")]
    folder = samplerecipe.write_recipe(tmp_path, "".join(lines))
    with pytest.raises(KubedebError) as raised:
        tree(folder)
    assert "'copyright' is missing" in raised.value.brief
    (folder / "hello/debian/copyright").write_text("Copyright: nobody\n")
    assert text(folder, "debian/copyright") == "Copyright: nobody\n"
