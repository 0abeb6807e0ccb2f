from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from repo.add import refuse
from repo.intake import Candidate, Findings
from repo.models import Package, Suite

SUITE = Suite("bookworm", ("amd64",))


def candidate(file: str, architecture: str = "amd64", digit: str = "1") -> Candidate:
    return Candidate(Path(file), Package("etcd-server", "3.4", architecture, digit * 64, 1, ""))


@pytest.mark.parametrize(
    ("candidates", "problems"),
    [
        ([candidate("a.deb"), candidate("copy.deb"), candidate("all.deb", "all")], []),
        (
            [candidate("arm.deb", "arm64")],
            ["arm.deb: is for arm64; suite bookworm has amd64 (add it with: kubedeb repo init)"],
        ),
        (
            [candidate("a.deb"), candidate("b.deb", digit="2")],
            ["b.deb: etcd-server 3.4 amd64 has other bytes in a.deb; a version is never published twice, give it another:"
             f" this file is sha256 {'2' * 64}, the other {'1' * 64}"],
        ),
    ],
)  # fmt: skip
def test_what_a_suite_refuses(candidates: list[Candidate], problems: list[str]) -> None:
    findings = Findings()
    refuse(candidates, SUITE, findings)
    assert findings.problems == problems


def test_all_findings_are_shown() -> None:
    findings = Findings()
    findings.stop()
    findings.note(Path("a"), "is bad")
    findings.note(Path("b"), "is worse")
    with pytest.raises(KubedebError) as error:
        findings.stop()
    assert (error.value.brief, error.value.details, error.value.code) == ("a: is bad", "b: is worse", ExitCode.PACKAGE)
