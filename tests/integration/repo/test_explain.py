"""What apt really prints, provoked and explained: by this machine's apt, and by that of every supported Debian."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanroot import clean_root
from clientimages import ensure
from foreign import Shaky
from provoked import CASES, ContainerApt, HostApt, World
from repo.explain import explain
from repositories import VERSIONS, Made
from uploads import Signer


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="kubedeb-explain-") as folder, Signer(Path(folder) / "theirs") as signer:
        yield World(Path(folder), signer, HostApt(Path(folder) / "apt"))


def judge(case: str, said: str, *, sequoia: bool) -> None:
    """See that what apt said has one explanation, and the right one."""
    causes = [rule.cause for rule in explain(said)]
    if case == "expired key" and sequoia and not causes:
        # sqv asks whether the key was good when it signed: there is nothing to explain.
        assert not re.search(r"^[WE]:", said, re.MULTILINE), said
        return
    assert len(causes) == 1, said
    assert causes[0].startswith(CASES[case][1]), said


@pytest.mark.parametrize("case", CASES)
def test_what_this_apt_says(here: World, case: str) -> None:
    judge(case, CASES[case][0](here), sequoia=False)


def test_what_apt_says_when_all_is_well(here: World) -> None:
    assert explain(here.served(here.repository("well"))) == ()


def test_what_is_no_text_is_not_known(tmp_path: Path, template: Made, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "said").write_bytes(bytes(range(256)))
    assert template.repo("explain", tmp_path / "said") == 0
    assert "nothing in this is known" in capsys.readouterr().out


def test_of_which_generation_apt_speaks(published: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A client with an old list asks for a package that is gone, and one meets an index that was changed."""
    with Shaky(published.public) as web:
        client = published.client("lists", uri=web.url)
        assert client.update().clean
    text = tmp_path / "said"

    def told() -> tuple[list[str], list[tuple[object, ...]]]:
        capsys.readouterr()
        assert published.repo("explain", "--json", "--lists", client.folder / "state/lists", text) == 0
        document = json.loads(capsys.readouterr().out)
        sightings = [tuple(one[key] for key in ("suite", "generation", "live", "how")) for one in document["generations"]]
        return [rule["cause"][:20] for rule in document["rules"]], sightings

    assert published.repo("remove", "-s", "bookworm", "--publish", f"etcd-server={VERSIONS[0]}") == 0
    package = next(published.public.rglob(f"*{VERSIONS[0]}*.deb"))
    uri = f"{web.url}/{package.relative_to(published.public)}"
    text.write_text(f"E: Failed to fetch {uri}  404  Not Found [IP: 127.0.0.1 80]\n")
    in_lists = ("bookworm", 2, 0, "it lies in apt's lists")
    assert told() == (["a file that the clie"], [("bookworm", 2, 3, "it is the newest that has the package"), in_lists])
    good = next((published.public / "dists").rglob("Packages.xz")).read_bytes()
    for path in (published.public / "dists").rglob("*"):
        if path.is_file() and path.read_bytes() == good:
            path.write_bytes(good[:-1] + b"!")
    text.write_text(published.client("new").update().text)
    assert told() == (["an index or package "], [("bookworm", 3, 3, "apt's Release was made then")])
    assert published.repo("explain", text) == 0
    assert "generation: bookworm 3 (3 is live): apt's Release was made then" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.docker
@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie", "sid"])
def test_what_the_apt_of_every_debian_says(here: World, suite: str) -> None:
    with clean_root(ensure(suite)) as root:
        sequoia = root.run("test", "-x", "/usr/bin/sqv")[0] == 0
        world = World(here.folder, here.signer, ContainerApt(root))
        wrong = []
        for case, (provoke, _) in CASES.items():
            try:
                judge(case, provoke(world), sequoia=sequoia)
            except AssertionError as error:
                wrong.append(f"{case}: {error}")
        assert not wrong, "\n".join(wrong)
