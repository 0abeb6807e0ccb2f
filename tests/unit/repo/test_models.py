import io

import pytest

from debs import control, deb
from kubedeb.deb import read_stream
from repo.models import Identity, Member, Suite, SuiteOptions, contradictions, package_of, pool_name

OLD, NEW = Member("etcd-server", "3.3", "amd64", "1" * 64), Member("etcd-server", "3.4", "amd64", "2" * 64)

OTHER, ALL = Member("etcd-server", "3.3", "amd64", "3" * 64), Member("etcd-server", "3.3", "all", "4" * 64)


@pytest.mark.parametrize(
    ("members", "elsewhere", "expected"),
    [
        ([OLD, NEW], [], []),
        ([OLD, NEW], [OLD, NEW], []),
        ([OLD, OTHER], [], [(OLD, OTHER)]),
        ([OLD, NEW], [OTHER], [(OLD, OTHER)]),
        ([NEW], [OLD, OTHER], []),
        ([ALL, OLD], [], []),
    ],
)
def test_one_version_with_two_contents_is_a_contradiction(
    members: list[Member], elsewhere: list[Member], expected: list[tuple[Member, Member]]
) -> None:
    assert contradictions(members, elsewhere) == expected


def test_file_names_have_no_epoch() -> None:
    assert pool_name("a", "1:2-3", "all", "ab" * 32) == f"pool/ab/{'ab' * 32}/a_2-3_all.deb"


def test_the_stanza_is_the_control_file_and_where_the_bytes_are() -> None:
    found = read_stream(io.BytesIO(deb()))
    package = package_of(found)
    assert package.stanza == control() + (
        f"Filename: pool/{found.sha256[:2]}/{found.sha256}/etcd-server_3.4.23-1~deb12u1_amd64.deb\n"
        f"Size: {found.size}\nSHA256: {found.sha256}\n"
    )


@pytest.mark.parametrize("field", ["Filename: ../../etc/passwd", "SHA256: 0", "size: 1", "MD5sum: 0"])
def test_a_package_may_not_speak_for_the_repository(field: str) -> None:
    with pytest.raises(ValueError, match="which only a repository may write"):
        package_of(read_stream(io.BytesIO(deb(control(more=f"{field}\n")))))


@pytest.mark.parametrize(
    ("served", "named"),
    [
        ({"old", "production", "staging"}, ["production", "old"]),
        ({"old", "staging"}, ["old"]),
        ({"staging"}, ["staging"]),
        ((), []),
    ],
)
def test_hosts_are_told_of_the_default_first_and_not_of_unlisted_suites(served: set[str], named: list[str]) -> None:
    suites = (Suite("staging", ("amd64",), SuiteOptions(unlisted=True)), Suite("old", ("amd64",)),
              Suite("production", ("amd64",), SuiteOptions(default=True)))  # fmt: skip
    identity = Identity("Example", "Example", "http://apt", "F" * 40, suites)
    assert [suite.name for suite in identity.only(served).listed] == named
