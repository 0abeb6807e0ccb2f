"""`kubedeb repo explain`: what apt printed, as cause and cure. Pure: a table of patterns.

Each was captured from apt as it was provoked, of bullseye (2.2), bookworm (2.6), trixie (3.0) and sid.
"""

from __future__ import annotations

import re

from kubedeb.records import frozen


@frozen
class Rule:
    """What apt says (a regular expression), why, and what helps."""

    pattern: str
    cause: str
    cure: str


RULES = (
    Rule(
        r"File has unexpected size|Hash Sum mismatch",
        "an index or package is not the one that InRelease names, or a cache serves an old one",
        "kubedeb repo verify; let caches ask again for dists/SUITE/InRelease; Acquire-By-Hash must not be off on the client",
    ),
    Rule(
        r"Release file .* is expired",
        "the Release's Valid-Until has passed",
        "publish the suite again; a new generation is dated anew",
    ),
    Rule(
        r"is not valid yet",
        "the Release's Date is more than 10 s ahead of the client's clock",
        "set the client's clock, then the publisher's",
    ),
    Rule(
        r"changed its '(?:Origin|Label|Suite|Codename|NotAutomatic|ButAutomaticUpgrades)' value",
        "a field of the repository's identity has changed",
        "put the old value back; these fields are frozen at `kubedeb repo init`",
    ),
    Rule(
        r"provides only weak security information",
        "Release lists no SHA256",
        "publish with a tool that lists SHA256; kubedeb does",
    ),
    Rule(
        r"NO_PUBKEY|Missing key",
        "the client's keyring lacks the key that signed",
        "put the repository's archive keyring into /usr/share/keyrings/ again",
    ),
    Rule(r"EXPKEYSIG", "the signing key has expired", "extend or replace the key, publish, and give clients the new keyring"),
    Rule(
        r"BADSIG|Message has been manipulated",
        "the signature does not fit: InRelease was changed on its way or on disk",
        "kubedeb repo verify; compare with public/generations/SUITE/",
    ),
    Rule(
        r"(?<!In)Release' is not signed|does not have a Release file",
        "there is no InRelease at this address",
        "compare URIs and Suites of the .sources file; publish the suite",
    ),
    Rule(
        r"Splitting up \S+ into data and signature failed|Clearsigned file isn't valid",
        "what lies at this address is not a signed document alone: a byte too many, or a page of a proxy",
        "fetch dists/SUITE/InRelease with curl from the client and look at it; kubedeb repo verify, then fsck --repair",
    ),
    Rule(
        r"Conflicting values set for option Signed-By",
        "two sources name the same repository with different keyrings",
        "keep one of the two files in /etc/apt/sources.list.d/",
    ),
    Rule(
        r"doesn't support architecture '",
        "the suite has no index for an architecture that the client asks for",
        "name Architectures in the .sources file; or kubedeb repo init --architecture, then publish",
    ),
    Rule(
        r"doesn't have the component '",
        "the .sources file names a component that the suite lacks",
        "Components: main; kubedeb's suites have no other",
    ),
    Rule(
        r"Failed to fetch \S+ +404 +(?:Not Found|File not found)",
        "a file that the client's lists name is gone: its lists are old, or a package is lost",
        "apt-get update on the client; kubedeb repo fsck names what is lost",
    ),
    Rule(
        r" 40[13]  \w+",
        "the server, or a proxy before it, does not let the client read this",
        "try the address with curl from the client; compare the web server's rules with what it must serve: all of public/",
    ),
    Rule(
        r" 5\d\d  \w+",
        "the server, or a proxy before it, has trouble of its own",
        "look at the web server's log; the repository itself is as it was: kubedeb repo verify",
    ),
    Rule(
        r"is configured multiple times in",
        "two sources name the same repository and suite",
        "keep one of the two files in /etc/apt/sources.list.d/",
    ),
    Rule(
        r"have unmet dependencies|Unable to satisfy dependencies",
        "a package that this one needs is in none of the client's sources, or not in a version that would do",
        "look at the line with Depends; kubedeb repo search NAME; init --installable lets publish refuse this",
    ),
    Rule(
        r"downgraded and -y was used without --allow-downgrades",
        "the version that was asked for is older than the installed one, and apt was not told that this is meant",
        "apt-get install --allow-downgrades NAME=VERSION; kubedeb repo rollback prints the whole line",
    ),
    Rule(
        r"Could not (?:connect to|resolve)|Temporary failure resolving|Connection (?:failed|refused|timed out)",
        "the client does not reach the server",
        "compare the host and port in URIs; try the address with curl from the client",
    ),
    Rule(
        r"Certificate verification failed|certificate verify failed|No system certificates available",
        "the client does not trust the server's TLS certificate",
        "install ca-certificates or the site's own authority on the client; renew the certificate",
    ),
    Rule(
        r"Version '[^']*' for '[^']*' was not found|Unable to locate package",
        "the client's lists have no such package or version",
        "apt-get update on the client, then apt-cache policy NAME; kubedeb repo list shows what is published",
    ),
)


def explain(text: str) -> tuple[Rule, ...]:
    """Return the rules that fit what apt printed, in the order of the table."""
    return tuple(rule for rule in RULES if re.search(rule.pattern, text))
