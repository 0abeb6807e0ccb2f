"""What a client needs beside the key: `.sources` and preferences. Pure: values in, texts out."""

from __future__ import annotations

from collections.abc import Iterable

from repo.models import COMPONENT, Identity

INSTALLED, OURS, OTHERS = 100, 50, -1


def keyring_name(identity: Identity) -> str:
    """Return the file name of the archive's keyring."""
    return f"{identity.file_name}-archive-keyring.gpg"


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
    packages = " ".join(sorted(set(names)))
    if not packages:
        return f"# {identity.origin} has no packages yet.\n"
    records = (
        ("What is installed stays until a version is named: apt-get install NAME=VERSION", "a=now", INSTALLED),
        (f"Only {identity.origin} offers other versions of these packages", f"o={identity.origin}", OURS),
        ("No other archive does, even with a higher version", "*", OTHERS),
    )
    return "\n".join(
        f"Explanation: {why}\nPackage: {packages}\nPin: release {pin}\nPin-Priority: {priority}\n"
        for why, pin, priority in records
    )
