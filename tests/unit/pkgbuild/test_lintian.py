"""What lintian's output means, and that every override says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubedeb.errors import ExitCode
from kubedeb.process import ProcessError, Result
from pkgbuild.finding import Finding, Level
from pkgbuild.lintian import UNREAD, accepted, ask, parse
from pkgbuild.overrides import uncommented

TOP = Path(__file__).parents[3]
OUTPUT = """\
N: hello: a note
E: hello: bogus-mail-host Maintainer kubedeb@localhost
E: hello: no-copyright-file
W: hello: no-manual-page [usr/bin/hello]
W: hello changes: odd-thing 1
O: hello: hardening-no-pie [usr/bin/hello]
I: hello: spelling-error-in-binary
running with root privileges is not recommended!
"""


def test_errors_and_warnings_count_and_overrides_are_told() -> None:
    findings, overridden = parse(OUTPUT, accepted())
    assert findings == (
        Finding(Level.ERROR, "lintian:no-copyright-file", "hello", "no-copyright-file"),
        Finding(Level.WARNING, "lintian:no-manual-page", "hello", "no-manual-page [usr/bin/hello]"),
        Finding(Level.WARNING, "lintian:odd-thing", "hello", "odd-thing 1"),
    )
    assert overridden == ("hello: bogus-mail-host", "hello: hardening-no-pie")


def test_a_release_that_does_not_know_the_check_left_out_is_asked_without(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def release(argv: tuple[str, ...], **_: object) -> Result:
        asked.append(argv)
        if argv[1] == "--print-version":
            return Result(argv, 0, b"2.90.0\n", b"", 0)
        if UNREAD in argv:
            result = Result(tuple(map(str, argv)), 25, b"", f"Unrecognized check (via -X): {UNREAD}\n".encode(), 0)
            raise ProcessError("lintian failed", result, code=ExitCode.LINT)
        return Result(argv, 0, OUTPUT.encode(), b"", 0)

    monkeypatch.setattr("pkgbuild.lintian.run", release)
    said = ask([Path("hello.deb")])
    assert said.version == "2.90.0"
    assert [finding.rule for finding in said.findings] == [
        "lintian:no-copyright-file",
        "lintian:no-manual-page",
        "lintian:odd-thing",
    ]
    assert [UNREAD in argv for argv in asked] == [False, True, False]


COMMENTS: dict[str, list[int]] = {
    "# why\ntag-a\ntag-b\n": [],
    "tag-a\n": [1],
    "# why\ntag-a\n\ntag-b\n": [4],
    "#\n": [],
    "": [],
}


@pytest.mark.parametrize("text", COMMENTS)
def test_each_override_has_a_comment(text: str) -> None:
    assert uncommented(text) == COMMENTS[text]


def test_the_list_for_all_packages_is_short_and_every_row_says_why() -> None:
    assert 0 < len(accepted()) <= 5
    assert all(len(why) >= 20 for why in accepted().values())


def test_the_shipped_recipes_say_why() -> None:
    files = sorted((TOP / "recipes").glob("*/debian/*.lintian-overrides*"))
    assert files
    assert {file.name: uncommented(file.read_text()) for file in files} == {file.name: [] for file in files}


def test_what_lintian_leaves_behind_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    places: list[Path] = []

    def leaves(argv: tuple[str, ...], *, env: dict[str, str] | None = None, **_: object) -> Result:
        if env:
            places.append(Path(env["TMPDIR"]))
            (places[-1] / "mldbm-elf-x").write_text("x")
        return Result(argv, 0, b"2.116.3\n" if "--print-version" in argv else b"", b"", 0)

    monkeypatch.setattr("pkgbuild.lintian.run", leaves)
    ask([Path("hello.deb")])
    assert [place.parent for place in places] == [tmp_path]
    assert list(tmp_path.iterdir()) == []
