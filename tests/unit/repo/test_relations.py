import pytest

from repo.relations import parse_query, wrong_relation


@pytest.mark.parametrize(
    ("query", "package", "expected"),
    [
        ("etcd-server", ("etcd-server", "3.4", "amd64"), True),
        ("etcd-*", ("etcd-server", "3.4", "amd64"), True),
        ("etcd", ("etcd-server", "3.4", "amd64"), False),
        ("etcd-server (>= 3.10)", ("etcd-server", "3.9", "amd64"), False),
        ("etcd-server (>= 3.4), etcd-server (<< 3.5~)", ("etcd-server", "3.4.23", "amd64"), True),
        ("etcd-server (>= 3.4), etcd-server (<< 3.5~)", ("etcd-server", "3.5", "amd64"), False),
        ("kube* | etcd-server:arm64", ("etcd-server", "3.5", "amd64"), False),
        ("kube* | etcd-server:arm64", ("etcd-server", "3.5", "arm64"), True),
        ("etcd-server=3.4*", ("etcd-server", "3.4.23-1", "amd64"), True),
        ("etcd-server=1:3.4", ("etcd-server", "1:3.4", "amd64"), True),
        ("* (= 3.4)", ("calico", "3.4", "all"), True),
        ("* [!arm64]", ("calico", "3.4", "all"), True),
        ("* [arm64]", ("calico", "3.4", "all"), False),
    ],
)  # fmt: skip
def test_a_query_is_a_dependency_with_globs(query: str, package: tuple[str, str, str], expected: bool) -> None:
    assert parse_query(query).matches(*package) is expected


@pytest.mark.parametrize("text", ["", "a,", "a b", "a (>= )", "a (~ 1)", "a (>= x)", "a=", "(>= 1)", "a | "])
def test_what_is_no_query(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_query(text)


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("Depends", "libc6 (>= 2.36), perl:any, aa | bb (<< 1:2~)", ""),
        ("Depends", "${misc:Depends}", "'${misc:Depends}', which is no relation"),
        ("Depends", "aa,", "'', which is no relation"),
        ("Depends", "aa [amd64]", "no relation of a binary package"),
        ("Conflicts", "aa | bb", "no relation"),
        ("Provides", "aa (>= 1)", "only = is possible"),
        ("Provides", "aa (= 1)", ""),
    ],
)  # fmt: skip
def test_relations_of_a_binary_package(field: str, value: str, wrong: str) -> None:
    found = wrong_relation(field, value)
    assert (wrong in found) if wrong else found == ""
