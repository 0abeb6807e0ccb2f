"""What a client needs beside the key: `.sources` and preferences. Pure: values in, texts out.

A host follows one suite. The archive proposes which, and the host decides: the keyring package keeps to what it follows.
"""

from __future__ import annotations

from collections.abc import Iterable

from repo.models import COMPONENT, Identity, Suite

GENERATED = "# Written by a package, with every new version of it; make changes in a file of another name.\n"
KEEPING = "# Written by a package, which keeps the suite that is named; other changes belong into a file of another name.\n"
# deb-postinst(5), deb-postrm(5). What a host follows stays. A new one follows the suite that is called as its Debian, else the
# archive's own choice. A `.sources` that names something else is its owner's.
POSTINST = """\
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
templates=$DPKG_ROOT{templates}
file=$DPKG_ROOT{file}
suite={default}
if [ -e "$file" ]; then
	suite=$(sed -n 's/^Suites:[[:blank:]]*\\([^[:blank:]]*\\)[[:blank:]]*$/\\1/p' "$file")
elif [ -r "$DPKG_ROOT/etc/os-release" ]; then
	codename=$(. "$DPKG_ROOT/etc/os-release" && echo "$VERSION_CODENAME")
	case " {listed} " in *" $codename "*) suite=$codename ;; esac
fi
if [ -e "$templates/$suite.sources" ]; then
	mkdir -p "${{file%/*}}"
	cp "$templates/$suite.sources" "$file.dpkg-new"
	chmod 644 "$file.dpkg-new"
	mv "$file.dpkg-new" "$file"
fi
"""
POSTRM = """\
#!/bin/sh
set -e
case "$1" in remove | purge) rm -f "$DPKG_ROOT{file}" ;; esac
"""
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
    """Return what the keyring package lays down on a client, by path from the root, and its maintainer scripts in `DEBIAN/`.

    None is a conffile: dpkg would ask about one that was copied by hand before, and a key must arrive without a question.
    Which `.sources` is the host's, postinst decides: the package has one for each suite of `identity`.
    """
    package, file = package_name(identity), f"etc/apt/sources.list.d/{identity.file_name}.sources"
    templates, listed = f"usr/share/{package}", " ".join(suite.name for suite in identity.listed)
    words = {"file": f"/{file}", "templates": f"/{templates}", "listed": listed, "default": listed.partition(" ")[0]}
    return {
        f"usr/share/keyrings/{keyring_name(identity)}": keyring,
        **{f"{templates}/{one.name}.sources": (KEEPING + sources_text(identity, one)).encode() for one in identity.suites},
        f"etc/apt/preferences.d/{identity.file_name}.pref": (GENERATED + preferences_text(identity, names)).encode(),
        f"usr/share/doc/{package}/copyright":
            f"The public keys of {identity.label} and how to use them; everybody may copy and use them.\n".encode(),
        "DEBIAN/postinst": POSTINST.format(**words).encode(),
        "DEBIAN/postrm": POSTRM.format(**words).encode(),
    }  # fmt: skip


def sources_text(identity: Identity, suite: Suite, *others: Suite) -> str:
    """Return the `.sources` file of a host that follows `suite`; `others` are those that it could name instead.

    The key is the keyring's own path on the client.
    """
    instead = f"# A host follows one suite. Instead of {suite.name}: {', '.join(one.name for one in others)}.\n"
    return (
        f"{instead if others else ''}Types: deb\nURIs: {identity.url}\nSuites: {suite.name}\nComponents: {COMPONENT}\n"
        f"Architectures: {' '.join(suite.architectures)}\nSigned-By: /usr/share/keyrings/{keyring_name(identity)}\n"
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
