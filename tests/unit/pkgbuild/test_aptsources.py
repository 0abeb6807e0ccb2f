"""Which of a machine's apt sources serve Debian, and what they become for another suite."""

from __future__ import annotations

import pytest

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.aptsources import KEYRING, AptEntry, debian_entries, from_mirror, kept_options, pocket_of, retarget

MAIN, SECURITY = "http://mirror.example/debian/", "http://mirror.example/debian-security/"


def target(uri: str, release: str, component: str = "main", created: str = "Packages", **more: str) -> dict[str, str]:
    return {"Repo-URI": uri, "Release": release, "Component": component, "Created-By": created, **more}


HOST = [target(MAIN, "bookworm"), target(MAIN, "bookworm-updates"), target(SECURITY, "bookworm-security")]


@pytest.mark.parametrize(
    ("release", "pocket"),
    [("bookworm", ""), ("bookworm-updates", "-updates"), ("stable-security", "-security"), ("sid", ""),
     ("bookworm-backports", None), ("nodistro", None), ("cloud-sdk-bookworm", None), ("-updates", None)],
)  # fmt: skip
def test_pockets(release: str, pocket: str | None) -> None:
    assert pocket_of(release) == pocket


OTHERS = {
    "its own release name": target("https://cloud.example/apt/", "cloud-sdk-bookworm"),
    "another component": target("https://docker.example/linux/debian/", "bookworm", "stable"),
    "another origin, known": target("https://other.example/debian/", "bookworm", Origin="Other"),
    "another address, origin unknown": target("https://php.example/php/", "bookworm"),
    "no packages": target(MAIN, "bookworm", created="Sources"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_archives_do_not_serve_debian(what: str) -> None:
    wanted = [AptEntry(MAIN, "bookworm"), AptEntry(MAIN, "bookworm-updates"), AptEntry(SECURITY, "bookworm-security")]
    assert debian_entries([OTHERS[what], *HOST]) == wanted


def test_a_mirror_with_any_address_serves_debian_when_it_is_alone() -> None:
    assert debian_entries([target("http://127.0.0.1:3142/", "trixie")]) == [AptEntry("http://127.0.0.1:3142/", "trixie")]


def test_retarget_keeps_places_and_pockets() -> None:
    entries = debian_entries(HOST)
    assert retarget(entries, "trixie", pockets=False) == [AptEntry(MAIN, "trixie")]
    assert retarget(entries, "trixie", pockets=True) == [
        AptEntry(MAIN, "trixie"), AptEntry(MAIN, "trixie-updates"), AptEntry(SECURITY, "trixie-security")
    ]  # fmt: skip
    assert retarget(entries, "sid", pockets=True) == [AptEntry(MAIN, "sid")]
    assert retarget([AptEntry(MAIN, "stable"), AptEntry(MAIN, "sid")], "trixie", pockets=True) == [AptEntry(MAIN, "trixie")]


def test_a_machine_without_debian_is_told_the_way_out() -> None:
    with pytest.raises(KubedebError) as raised:
        retarget(debian_entries([OTHERS["its own release name"]]), "trixie", pockets=True)
    assert raised.value.code is ExitCode.FETCH
    assert "KUBEDEB_MIRROR" in raised.value.hint


def test_lines_trust_debians_keys_alone() -> None:
    assert from_mirror("http://m/debian", "trixie")[0].line("amd64") == (
        f"deb [arch=amd64 signed-by={KEYRING}] http://m/debian trixie main\n"
    )


def test_only_what_reaches_the_mirror_is_carried_into_a_root() -> None:
    dump = 'APT "";\nAcquire::http "";\nAcquire::http::Proxy "http://p:3128";\nAcquire::Languages "none";\n'
    assert kept_options(dump) == ['Acquire::http::Proxy "http://p:3128";']
