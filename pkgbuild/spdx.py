"""A bill of materials as SPDX 2.3 (JSON); pure. Source: the SPDX specification, version 2.3."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from kubedeb import __version__
from kubedeb.files import canonical_json
from pkgbuild import purl
from pkgbuild.bill import Bill
from pkgbuild.cyclonedx import OURS, stamp

DOCUMENT, PACKAGE = "SPDXRef-DOCUMENT", "SPDXRef-Package"


def spdx(bill: Bill) -> str:
    """Return the document. Its namespace is made from the package's digest and its time is the package's epoch."""
    others = [*_sources(bill), *_needs(bill), *_modules(bill)]
    files = [
        {"SPDXID": f"SPDXRef-File-{number}", "fileName": f".{file.path}", "licenseConcluded": "NOASSERTION",
         "copyrightText": "NOASSERTION", "checksums": [_sum("SHA1", file.sha1), _sum("SHA256", file.sha256)]}
        for number, file in enumerate(bill.files)
    ]  # fmt: skip
    links = [(DOCUMENT, "DESCRIBES", PACKAGE)]
    links += [(PACKAGE, "CONTAINS", str(file["SPDXID"])) for file in files]
    links += [(PACKAGE, relation, str(other["SPDXID"])) for other, relation in others]
    return canonical_json(
        {
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": DOCUMENT,
            "name": bill.file,
            "documentNamespace": f"https://kubedeb.dev/spdx/{uuid.uuid5(OURS, f'spdx:{bill.sha256}')}",
            "creationInfo": {"created": stamp(bill.epoch), "creators": [f"Tool: kubedeb-{__version__}"]},
            "packages": [_main(bill), *(other for other, _ in others)],
            "files": files,
            "relationships": [
                {"spdxElementId": one, "relationshipType": relation, "relatedSpdxElement": other}
                for one, relation, other in links
            ],
        }
    )


def _main(bill: Bill) -> dict[str, Any]:
    package = _package(PACKAGE, bill.name, bill.version, bill.purl, [_sum("SHA256", bill.sha256)])
    if not bill.files:
        return package
    # SPDX 2.3, 7.9: the sha1 of all files' sha1, sorted and strung together.
    code = hashlib.sha1("".join(sorted(file.sha1 for file in bill.files)).encode(), usedforsecurity=False).hexdigest()
    return {
        **package, "summary": bill.summary, "packageFileName": bill.file, "filesAnalyzed": True,
        "packageVerificationCode": {"packageVerificationCodeValue": code},
    }  # fmt: skip


def _sources(bill: Bill) -> list[tuple[dict[str, Any], str]]:
    return [
        (
            _package(
                f"SPDXRef-Source-{number}", source.name, "", source.uri if source.uri.startswith("pkg:") else "",
                [_sum(source.algorithm.upper(), source.value)],
                "NOASSERTION" if source.uri.startswith("pkg:") else source.uri,
            ),
            "GENERATED_FROM",
        )
        for number, source in enumerate(bill.sources)
    ]  # fmt: skip


def _needs(bill: Bill) -> list[tuple[dict[str, Any], str]]:
    found = []
    for number, need in enumerate(bill.needs):
        package = _package(f"SPDXRef-Needs-{number}", need.name, "", purl.debian(need.name))
        found.append(({**package, "comment": f"Versions: {need.range or 'any'}"}, "DEPENDS_ON"))
    return found


def _modules(bill: Bill) -> list[tuple[dict[str, Any], str]]:
    return [
        (_package(f"SPDXRef-Go-{number}", path, version, purl.golang(path, version)), "STATIC_LINK")
        for number, (path, version) in enumerate(bill.modules)
    ]


def _package(
    ident: str, name: str, version: str, address: str = "", sums: list[dict[str, str]] | None = None, where: str = "NOASSERTION"
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "SPDXID": ident, "name": name, "downloadLocation": where, "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
    }  # fmt: skip
    if version:
        found["versionInfo"] = version
    if sums:
        found["checksums"] = sums
    if address:
        category = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": address}
        found["externalRefs"] = [category]
    return found


def _sum(algorithm: str, value: str) -> dict[str, str]:
    return {"algorithm": algorithm, "checksumValue": value}
