from repo.clientfiles import client_paths
from repo.keyringpackage import CONTENT_FIELD, Plan, choose_stamp, content_digest, control_text, stamp_of
from repo.models import Identity, Package, Suite

IDENTITY = Identity("My_Example", "My Example", "http://apt.localhost/", "F" * 40, (Suite("bookworm", ("amd64",)),))
FILES = client_paths(IDENTITY, b"key", ["etcd-server"])
PLAN = Plan(IDENTITY, FILES, ("A" * 40, "B" * 40), 1_764_000_000)


def row(version: str, content: str) -> Package:
    return Package("x", version, "all", "0" * 64, 1, f"Package: x\nVersion: {version}\n{CONTENT_FIELD}: {content}\n")


def test_the_version_is_a_time() -> None:
    assert PLAN.version == "2025.11.24.160000"
    assert stamp_of(PLAN.version) == PLAN.stamp


def test_equal_contents_keep_their_version_and_others_get_a_newer_one() -> None:
    known = [row("2025.11.24.160000", "a"), row("2025.11.24.160007", "b")]
    assert choose_stamp(known, "a", 5) == 1_764_000_000
    assert choose_stamp(known, "c", 5) == 1_764_000_008
    assert choose_stamp(known, "c", 1_800_000_000) == 1_800_000_000
    assert choose_stamp([], "c", 5) == 5


def test_the_digest_is_of_names_and_contents() -> None:
    digests = [content_digest(files) for files in ({"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a": b"1", "b": b"1"})]
    assert len(set(digests)) == 4
    assert content_digest({"a": b"1", "b": b"2"}) == content_digest({"b": b"2", "a": b"1"})


def test_what_is_laid_down() -> None:
    assert sorted(FILES) == [
        "DEBIAN/postinst", "DEBIAN/postrm", "etc/apt/preferences.d/my_example.pref",
        "usr/share/doc/my-example-archive-keyring/copyright", "usr/share/keyrings/my_example-archive-keyring.gpg",
        "usr/share/my-example-archive-keyring/bookworm.sources",
    ]  # fmt: skip
    lines = control_text(PLAN).splitlines()
    assert lines[0] == "Package: my-example-archive-keyring"
    assert f"Kubedeb-Keys: {'A' * 40} {'B' * 40}" in lines
