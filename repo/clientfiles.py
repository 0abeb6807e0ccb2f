"""What a client needs beside the key: `.sources` and preferences. Pure: values in, texts out."""

from __future__ import annotations

from collections.abc import Iterable

from repo.models import COMPONENT, Identity

GENERATED = "# Written by a package, with every new version of it; make changes in a file of another name.\n"
# The keyring package moves by itself, and comes from nobody else.
KEYRING = 500
INSTALLED, OURS, OTHERS = 100, 50, -1


def keyring_name(identity: Identity) -> str:
    """Return the file name of the archive's keyring."""
    return f"{identity.file_name}-archive-keyring.gpg"


def package_name(identity: Identity) -> str:
    """Return the name of the keyring package."""
    return f"{identity.file_name.replace('_', '-')}-archive-keyring"


def client_paths(identity: Identity, keyring: bytes, names: Iterable[str]) -> dict[str, bytes]:
    """Return what the keyring package lays down on a client, by path from the root.

    None is a conffile: dpkg would ask about one that was copied by hand before, and a key must arrive without a question.
    """
    doc = f"usr/share/doc/{package_name(identity)}/copyright"
    return {
        f"usr/share/keyrings/{keyring_name(identity)}": keyring,
        f"etc/apt/sources.list.d/{identity.file_name}.sources": (GENERATED + sources_text(identity)).encode(),
        f"etc/apt/preferences.d/{identity.file_name}.pref": (GENERATED + preferences_text(identity, names)).encode(),
        doc: f"The public keys of {identity.label} and how to use them; everybody may copy and use them.\n".encode(),
    }


def sources_text(identity: Identity) -> str:
    """Return the `.sources` file: all suites, signed by the keyring's own path on the client."""
    suites = " ".join(suite.name for suite in identity.suites)
    architectures = " ".join(sorted({name for suite in identity.suites for name in suite.architectures}))
    return (
        f"Types: deb\nURIs: {identity.url}\nSuites: {suites}\nComponents: {COMPONENT}\nArchitectures: {architectures}\n"
        f"Signed-By: /usr/share/keyrings/{keyring_name(identity)}\n"
    )


def preferences_text(identity: Identity, names: Iterable[str]) -> str:
    """Return the preferences for exactly `names`: what is installed stays until a version is named.

    The installed version wins over ours, ours is the only other one that may come. The order matters: apt takes the
    first record that fits, and without `a=now` the installed version takes our own priority (measured with apt 2.6).
    """
    keyring = package_name(identity)
    packages = " ".join(sorted(set(names) - {keyring}))
    if not packages:
        return f"# {identity.origin} has no packages yet.\n"
    records = (
        ("What is installed stays until a version is named: apt-get install NAME=VERSION", "a=now", INSTALLED),
        (f"Only {identity.origin} offers other versions of these packages", f"o={identity.origin}", OURS),
        ("No other archive does, even with a higher version", "*", OTHERS),
    )
    own = (
        (f"The keys of {identity.origin} come from itself, as soon as they are there", f"o={identity.origin}", KEYRING),
        ("No other archive has them", "*", OTHERS),
    )
    return "\n".join(
        f"Explanation: {why}\nPackage: {concerned}\nPin: release {pin}\nPin-Priority: {priority}\n"
        for concerned, group in ((packages, records), (keyring, own))
        for why, pin, priority in group
    )


def pinned(preferences: bytes) -> frozenset[str]:
    """Return the names of the packages that preferences of ours are about, but for the keyring package."""
    lines = preferences.decode(errors="replace").splitlines()
    groups = [line.removeprefix("Package: ").split() for line in lines if line.startswith("Package: ")]
    return frozenset(name for names in groups[:-2] for name in names)
