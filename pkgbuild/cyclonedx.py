"""A bill of materials as CycloneDX 1.6 (JSON); pure. Source: the CycloneDX specification."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from kubedeb import __version__
from kubedeb.files import canonical_json
from pkgbuild import purl
from pkgbuild.bill import Bill
from pkgbuild.statement import Material

OURS = uuid.uuid5(uuid.NAMESPACE_URL, "https://kubedeb.dev/")


def cyclonedx(bill: Bill) -> str:
    """Return the document. Its serial number is made from the package's digest and its time is the package's epoch."""
    parts = [*_files(bill), *_sources(bill), *_needs(bill), *_modules(bill)]
    needed = sorted(part["bom-ref"] for part in parts if part["type"] == "library")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(OURS, f"cyclonedx:{bill.sha256}").urn,
        "version": 1,
        "metadata": {
            "timestamp": stamp(bill.epoch),
            "tools": {"components": [{"type": "application", "name": "kubedeb", "version": __version__}]},
            "component": {
                "type": "application", "bom-ref": bill.purl, "name": bill.name, "version": bill.version,
                "description": bill.summary, "purl": bill.purl, "hashes": [{"alg": "SHA-256", "content": bill.sha256}],
            },
        },
        "components": parts,
        "dependencies": [{"ref": bill.purl, "dependsOn": needed}],
    }  # fmt: skip
    return canonical_json(document)


def stamp(epoch: int) -> str:
    """Return seconds since 1970 as both formats write a time."""
    return datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _files(bill: Bill) -> list[dict[str, Any]]:
    return [
        {"type": "file", "bom-ref": f"file:{file.path}", "name": file.path,
         "hashes": [{"alg": "SHA-1", "content": file.sha1}, {"alg": "SHA-256", "content": file.sha256}]}
        for file in bill.files
    ]  # fmt: skip


def _sources(bill: Bill) -> list[dict[str, Any]]:
    return [_source(source) for source in bill.sources]


def _source(source: Material) -> dict[str, Any]:
    known = {"purl": source.uri} if source.uri.startswith("pkg:") else {}
    links = {} if known else {"externalReferences": [{"type": "source-distribution", "url": source.uri}]}
    algorithm = {"sha256": "SHA-256", "sha512": "SHA-512"}[source.algorithm]
    return {
        "type": "data", "bom-ref": f"source:{source.algorithm}:{source.value}", "name": source.name, **known, **links,
        "hashes": [{"alg": algorithm, "content": source.value}],
        "properties": [{"name": "kubedeb:role", "value": "source"}],
    }  # fmt: skip


def _needs(bill: Bill) -> list[dict[str, Any]]:
    return [
        {"type": "library", "bom-ref": f"needs:{need.name}:{need.range}", "name": need.name, "purl": purl.debian(need.name),
         "scope": "required", "properties": [{"name": "kubedeb:range", "value": need.range or "any"}]}
        for need in bill.needs
    ]  # fmt: skip


def _modules(bill: Bill) -> list[dict[str, Any]]:
    return [
        {"type": "library", "bom-ref": f"go:{path}@{version}", "name": path, "version": version,
         "purl": purl.golang(path, version)}
        for path, version in bill.modules
    ]  # fmt: skip
