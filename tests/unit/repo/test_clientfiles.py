from repo.clientfiles import keyring_name, preferences_text, sources_text
from repo.models import Identity, Suite

IDENTITY = Identity("Example", "Example", "http://apt.localhost/", "F" * 40,
                    (Suite("bookworm", ("amd64",)), Suite("trixie", ("amd64", "arm64"))))  # fmt: skip
KEYRING = "example-archive-keyring"


def test_sources() -> None:
    assert keyring_name(IDENTITY) == "example-archive-keyring.gpg"
    bookworm, trixie = IDENTITY.suites
    text = (
        "Types: deb\nURIs: http://apt.localhost/\nSuites: trixie\nComponents: main\nArchitectures: amd64 arm64\n"
        "Signed-By: /usr/share/keyrings/example-archive-keyring.gpg\n"
    )
    assert sources_text(IDENTITY, trixie) == text
    assert sources_text(IDENTITY, trixie, bookworm) == f"# A host follows one suite. Instead of trixie: bookworm.\n{text}"


def test_preferences_hold_what_is_installed_and_let_nobody_else_in() -> None:
    records = preferences_text(IDENTITY, ["etcd-server", "etcd-client", "etcd-server", KEYRING]).split("\n\n")
    assert [record.strip().splitlines()[1:] for record in records] == [
        ["Package: etcd-client etcd-server", "Pin: release a=now", "Pin-Priority: 100"],
        ["Package: etcd-client etcd-server", "Pin: release o=Example", "Pin-Priority: 50"],
        ["Package: etcd-client etcd-server", "Pin: release *", "Pin-Priority: -1"],
        [f"Package: {KEYRING}", "Pin: release o=Example", "Pin-Priority: 500"],
        [f"Package: {KEYRING}", "Pin: release *", "Pin-Priority: -1"],
    ]


def test_no_packages_no_records() -> None:
    assert "Pin" not in preferences_text(IDENTITY, [])
