"""What lies beside a package: reproducible, of the documented form, taken by the public validators."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from packageurl import PackageURL

import debs
import goprograms
import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_of
from pkgbuild import dsse, purl, statement
from pkgbuild.attest import STATEMENTS, attest, beside, read_lines, reproduced, sign_files
from pkgbuild.baselock import BaseLock
from pkgbuild.bill import Need, bill_of, needs
from pkgbuild.buildinfo import listed, normal_digest, parse
from pkgbuild.finding import Finding, Judge, Level, LintVerdict
from pkgbuild.indexentry import IndexEntry
from pkgbuild.library import choose, find
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import BuildSpec, Locked, expand
from pkgbuild.statement import Material, Varied
from pkgbuild.store import BuiltPackage

TOP = Path(__file__).parents[3]
SCHEMA = json.loads((TOP / "docs/attestations.schema.json").read_text())
LOCK = BaseLock("bookworm", "amd64", (), (IndexEntry("libc6", "2.36-9+deb12u13", "amd64", "a" * 64),))
OWN = (Material("own_1_all.deb", "", "sha256", "b" * 64),)
VERDICT = LintVerdict((Judge("kubedeb-lint", "1"),), ("restart",), (), (Finding(Level.NOTE, "note", "hello", "a"),))
BUILDINFO = """\
Format: 1.0
Source: hello
Binary: hello
Architecture: amd64
Version: 1.10-1~deb12u1
Checksums-Sha256:
 {0} 100 hello_1.10-1~deb12u1_amd64.deb
Build-Origin: Debian
Build-Architecture: amd64
Build-Date: {1}
Build-Tainted-By:
 usr-local-has-programs
Installed-Build-Depends:
 base-files (= 12.4+deb12u12),
 libc6:amd64 (= 2.36-9+deb12u13)
Environment:
 LC_ALL="{2}"
"""


def spec_of(tmp_path: Path) -> BuildSpec:
    folder = samplerecipe.write_recipe(tmp_path / "recipes")
    chosen = choose(find([folder]), ["hello"])[0]
    return expand(chosen, Suite.BOOKWORM, Architecture.AMD64, Locked(LOCK.digest, "c" * 64)).spec


def build(folder: Path, date: str = "Mon, 23 Nov 2026 12:00:00 +0000") -> tuple[BuildSpec, BuiltPackage, tuple[str, ...]]:
    """Attest a package that holds a Go program, as a build does."""
    folder.mkdir()
    spec = spec_of(folder)
    control = debs.control("hello", "1.10-1~deb12u1").rstrip("\n") + "\nDepends: libc6 (>= 2.34), aa | bb\n"
    data = debs.tar(
        {"./usr/bin/hello": goprograms.inline("go1.21.3", goprograms.MODULES), "./usr/share/doc/hello/copyright": b"nobody\n"}
    )
    content = debs.ar(
        [("debian-binary", b"2.0\n"), ("control.tar", debs.tar({"./control": control.encode()})), ("data.tar", data)]
    )
    path = folder / "hello_1.10-1~deb12u1_amd64.deb"
    path.write_bytes(content)
    package = BuiltPackage("hello", "1.10-1~deb12u1", "amd64", path.name, len(content), sha256_of(path))
    (folder / "x.buildinfo").write_text(BUILDINFO.format(package.sha256, date, "C.UTF-8"))
    return spec, package, attest(folder, spec, [package], "x.buildinfo", LOCK, OWN, VERDICT)


def test_two_stores_hold_the_same_bytes(tmp_path: Path) -> None:
    _, _, names = build(tmp_path / "one")
    build(tmp_path / "two", "Tue, 24 Nov 2026 13:00:01 +0100")
    assert len(names) == 3
    assert {name: (tmp_path / "one" / name).read_bytes() for name in names} == {
        name: (tmp_path / "two" / name).read_bytes() for name in names
    }
    assert str(tmp_path) not in "".join((tmp_path / "one" / name).read_text() for name in names)


def test_every_input_stands_in_the_provenance(tmp_path: Path) -> None:
    spec, package, _ = build(tmp_path / "one")
    said = read_lines(tmp_path / "one" / beside(package.file, STATEMENTS))
    assert [line["predicateType"] for line in said] == [statement.PROVENANCE, statement.LINT]
    assert {line["subject"][0]["digest"]["sha256"] for line in said} == {package.sha256}
    given = {one["digest"]["sha256"] for one in said[0]["predicate"]["buildDefinition"]["resolvedDependencies"]}
    wanted = {pin.checksum.value for pin in spec.sources} | {digest.removesuffix("+x") for _, digest in spec.tree}
    assert given == wanted | {"a" * 64, "b" * 64, "c" * 64}
    assert said[1]["predicate"]["verdict"] == "pass"


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (VERDICT, "pass"),
        (LintVerdict(VERDICT.judges, (), (), (Finding(Level.ERROR, "restart", "hello", "a"),)), "fail"),
        (LintVerdict((Judge("lintian", "", "not installed"),), (), (), ()), None),
    ],
)
def test_a_verdict_is_stated_only_when_every_judge_ran(verdict: LintVerdict, word: str | None) -> None:
    assert (statement.lint(verdict) or {"verdict": None})["verdict"] == word


def reproduction(*, same: bool = True) -> dict[str, Any]:
    return statement.reproduced(
        [Varied("umask", "022", "077")], {"kernel": "one host, one kernel"}, same=same, against="second-build"
    )


def test_a_reproduction_replaces_an_older_one(tmp_path: Path) -> None:
    _, package, _ = build(tmp_path / "one")
    for same in (False, True):
        for name, data in reproduced(tmp_path / "one", [package], reproduction(same=same)).items():
            (tmp_path / "one" / name).write_bytes(data)
    said = read_lines(tmp_path / "one" / beside(package.file, STATEMENTS))
    assert [line["predicateType"] for line in said] == [statement.PROVENANCE, statement.LINT, statement.REPRODUCED]
    assert said[2]["predicate"]["verdict"] == "pass"


def test_all_lines_have_the_documented_form(tmp_path: Path) -> None:
    _, package, _ = build(tmp_path / "one")
    path = tmp_path / "one" / beside(package.file, STATEMENTS)
    path.write_bytes(reproduced(tmp_path / "one", [package], reproduction())[path.name])
    dsse.new_key(tmp_path / "key", tmp_path / "pub")
    key = dsse.private_key(tmp_path / "key")
    check = jsonschema.Draft202012Validator(SCHEMA)
    lines = read_lines(path)
    assert len(lines) == 3
    for line in lines:
        check.validate(line)
        check.validate(dsse.sign(line, key))


BROKEN: dict[str, Any] = {
    "another type": {"_type": "https://in-toto.io/Statement/v0.1"},
    "no subject": {"subject": []},
    "a path as subject": {"subject": [{"name": "/tmp/x.deb", "digest": {"sha256": "a" * 64}}]},
    "a verdict of its own": {"predicate": {**reproduction(), "verdict": "maybe"}},
    "another predicate": {"predicateType": "https://example.org/"},
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_form_refuses(what: str) -> None:
    good = statement.statement("x.deb", "a" * 64, statement.REPRODUCED, reproduction())
    jsonschema.Draft202012Validator(SCHEMA).validate(good)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate({**good, **BROKEN[what]})


def test_in_totos_own_model_takes_every_statement(tmp_path: Path) -> None:
    from in_toto_attestation.v1.statement import Statement

    _, package, _ = build(tmp_path / "one")
    for line in read_lines(tmp_path / "one" / beside(package.file, STATEMENTS)):
        Statement.copy_from_pb(_protobuf(line)).validate()


def _protobuf(line: dict[str, Any]) -> Any:
    import in_toto_attestation.v1.statement_pb2 as model
    from google.protobuf import json_format

    return json_format.Parse(
        json.dumps({("type" if key == "_type" else key): value for key, value in line.items()}), model.Statement()
    )


def test_the_public_dsse_library_verifies_what_we_sign(tmp_path: Path) -> None:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    _, package, _ = build(tmp_path / "one")
    path = tmp_path / "one" / beside(package.file, STATEMENTS)
    dsse.new_key(tmp_path / "key", tmp_path / "pub")
    sign_files([path], dsse.private_key(tmp_path / "key"))
    first = path.read_bytes()
    sign_files([path], dsse.private_key(tmp_path / "key"))
    assert path.read_bytes() == first
    public = SSlibKey.from_crypto(dsse.public_key(tmp_path / "pub"), keyid=read_lines(path)[0]["signatures"][0]["keyid"])
    for line in read_lines(path):
        Envelope.from_dict(json.loads(json.dumps(line))).verify([public], 1)
        assert dsse.verify(line, [dsse.public_key(tmp_path / "pub")])["subject"][0]["name"] == package.file


def test_the_commands_sign_and_verify_and_name_what_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "one"
    _, package, _ = build(folder)
    path, deb = folder / beside(package.file, STATEMENTS), folder / package.file
    for name in ("key", "other"):
        assert run(["attest", "key", str(tmp_path / name)]) == ExitCode.DONE
    assert run(["attest", "key", str(tmp_path / "key")]) == ExitCode.KEY
    verify = ["attest", "verify", str(path), "--key"]
    assert run([*verify, str(tmp_path / "key.pub")]) == ExitCode.VERIFY
    assert f"error: {path}, line 1: a statement does not verify\n  it is not signed\n" in capsys.readouterr().err
    assert run(["attest", "sign", str(path), "--key", str(tmp_path / "key")]) == ExitCode.DONE
    assert run([*verify, str(tmp_path / "key.pub")]) == ExitCode.DONE
    assert f"{path.name}: https://slsa.dev/provenance/v1\n" in capsys.readouterr().out
    assert run([*verify, str(tmp_path / "other.pub")]) == ExitCode.VERIFY
    assert f"{path}, line 1: a statement does not verify\n  no signature is by one of the given" in capsys.readouterr().err
    deb.write_bytes(deb.read_bytes() + b"x")
    assert run([*verify, str(tmp_path / "key.pub")]) == ExitCode.VERIFY
    assert f"{path} does not speak of the {deb.name} beside it" in capsys.readouterr().err
    deb.unlink()
    assert run([*verify, str(tmp_path / "key.pub")]) == ExitCode.VERIFY
    assert f"{path} speaks of {deb.name}, which is not beside it" in capsys.readouterr().err


TAMPERED: dict[str, Any] = {
    "another payload": lambda line: {**line, "payload": "e30="},
    "another type": lambda line: {**line, "payloadType": "text/plain"},
    "no signature": lambda line: {**line, "signatures": []},
    "a broken signature": lambda line: {**line, "signatures": [{"sig": "%"}]},
    "not signed": lambda line: dsse.payload(line),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_shows(what: str, tmp_path: Path) -> None:
    dsse.new_key(tmp_path / "key", tmp_path / "pub")
    line = dsse.sign({"_type": statement.STATEMENT}, dsse.private_key(tmp_path / "key"))
    keys = [dsse.public_key(tmp_path / "pub")]
    assert dsse.verify(line, keys) == {"_type": statement.STATEMENT}
    with pytest.raises(KubedebError, match="does not verify"):
        dsse.verify(TAMPERED[what](line), keys)
    dsse.new_key(tmp_path / "other", tmp_path / "other.pub")
    with pytest.raises(KubedebError, match="does not verify"):
        dsse.verify(line, [dsse.public_key(tmp_path / "other.pub")])


def test_the_bill_lists_what_is_inside(tmp_path: Path) -> None:
    spec, package, _ = build(tmp_path / "one")
    bill = bill_of(tmp_path / "one" / package.file, spec)
    assert [file.path for file in bill.files] == ["/usr/bin/hello", "/usr/share/doc/hello/copyright"]
    assert bill.modules == (("example.org/prog", "v1.2.0"), ("golang.org/x/sys", "v0.1.0"), ("std", "1.21.3"))
    assert bill.needs == (Need("aa", ""), Need("bb", ""), Need("libc6", ">= 2.34"))
    assert needs(["xx:any (>= 1) | yy, ${unresolved}"]) == (Need("xx", ">= 1"), Need("yy", ""))


def test_cyclonedx_validates(tmp_path: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    _, package, _ = build(tmp_path / "one")
    text = (tmp_path / "one" / beside(package.file, ".cdx.json")).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"CycloneDX"', '"Other"')) is not None
    found = {one.get("purl") for one in json.loads(text)["components"]}
    assert {"pkg:golang/golang.org/x/sys@v0.1.0", "pkg:deb/debian/libc6"} <= found


def test_spdx_validates(tmp_path: Path) -> None:
    from spdx_tools.spdx.parser.json.json_parser import JsonLikeDictParser
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    _, package, _ = build(tmp_path / "one")
    data = json.loads((tmp_path / "one" / beside(package.file, ".spdx.json")).read_text())
    assert validate_full_spdx_document(JsonLikeDictParser().parse(data)) == []
    data["packages"][0]["packageVerificationCode"]["packageVerificationCodeValue"] = "x"
    assert validate_full_spdx_document(JsonLikeDictParser().parse(data)) != []
    assert data["creationInfo"]["created"] == "2026-11-23T12:00:00Z"


PURLS = {
    purl.debian("libc6", "2.36-9+deb12u13", "amd64", "bookworm"): ("deb", "libc6", "2.36-9+deb12u13"),
    purl.debian("x", "1:2~rc1"): ("deb", "x", "1:2~rc1"),
    purl.debian("libstdc++6", "1"): ("deb", "libstdc++6", "1"),
    purl.golang("github.com/Azure/go", "v1.0.0+incompatible"): ("golang", "go", "v1.0.0+incompatible"),
    purl.golang("example.org/prog", "(devel)"): ("golang", "prog", None),
    purl.pypi("A_b", "1.0"): ("pypi", "a-b", "1.0"),
}


@pytest.mark.parametrize("text", PURLS)
def test_purls_are_read_by_the_public_parser(text: str) -> None:
    found = PackageURL.from_string(text)
    assert (found.type, found.name, found.version) == PURLS[text]


def test_equal_builds_share_the_buildinfos_normal_form() -> None:
    one = BUILDINFO.format("a" * 64, "Mon, 23 Nov 2026 12:00:00 +0000", "C.UTF-8")
    two = BUILDINFO.format("a" * 64, "Tue, 24 Nov 2026 12:00:00 +0000", "de_DE.UTF-8")
    assert one != two
    assert normal_digest(one) == normal_digest(two) != normal_digest(BUILDINFO.format("b" * 64, "x", "y"))
    assert normal_digest(one) != normal_digest(one.replace("12.4", "12.5"))


CHANGES = "Source: x\nChecksums-Sha256:\n aa 1 x_1_amd64.deb\n bb 2 x_1_amd64.buildinfo\nFiles:\n cc 1 net x_1_amd64.deb\n"


def test_a_changes_file_is_read() -> None:
    assert listed(CHANGES.encode()) == {"x_1_amd64.deb": "aa", "x_1_amd64.buildinfo": "bb"}


NO_CHANGES = {
    "": "is none",
    "\0": "is none",
    CHANGES.replace(" 1 x", " x"): "is none",
    CHANGES.partition("Checksums")[0]: "is none",
    CHANGES.replace("x_1_amd64.deb", "../x_1_amd64.deb"): "lists paths",
    CHANGES.replace("x_1_amd64.deb", ".."): "lists paths",
    CHANGES.replace(".buildinfo", ".info"): "lists no .buildinfo",
}


@pytest.mark.parametrize("text", NO_CHANGES)
def test_a_changes_file_that_is_none_or_leads_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(KubedebError, match=NO_CHANGES[text]) as error:
        listed(text.encode())
    assert error.value.code == ExitCode.BUILD


def test_a_buildinfo_is_read() -> None:
    found = parse(BUILDINFO.format("a" * 64, "x", "C.UTF-8"), Path("x.buildinfo"))
    assert (found.source, found.version) == ("hello", "1.10-1~deb12u1")
    assert found.installed == {"base-files": "12.4+deb12u12", "libc6": "2.36-9+deb12u13"}
    assert found.debs == {"hello_1.10-1~deb12u1_amd64.deb": "a" * 64}
    assert found.environment == {"LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize(
    "text", ["", "Source: x\n", BUILDINFO.replace("(= 2", "(>= 2"), BUILDINFO.replace("hello_1", "../hello_1")]
)
def test_what_is_no_buildinfo_is_refused(text: str) -> None:
    with pytest.raises(KubedebError, match=r"x\.buildinfo"):
        parse(io.StringIO(text).read(), Path("x.buildinfo"))
