import pytest

from kubedeb.release import Digest, parse_release
from repo.decision import decide
from repo.indices import kinds, release_text
from repo.live import Live
from repo.models import Identity, Package, Suite, SuiteOptions
from repo.snapshots import Applied, difference, snapshot_of

OLD, NEW = (Package("etcd-server", version, "amd64", digit * 64, 1, "") for version, digit in (("3.3", "1"), ("3.4", "2")))
SUITE = Suite("bookworm", ("amd64",))
MORE = Suite("bookworm", ("amd64", "arm64"))
ZSTD = Suite("bookworm", ("amd64",), SuiteOptions(forms=(".gz", ".xz", ".zst")))
EXPIRES = Suite("bookworm", ("amd64",), SuiteOptions(valid_for=3600))
LISTED = {kind.path + form: Digest(0, "0" * 64) for kind in kinds(SUITE) for form in ("", ".gz", ".xz")}
TEXT = release_text(Identity("k", "k", "", "", ()), SUITE, 3, "5" * 64, 1_795_445_650, LISTED)
LIVE = Live(3, b"", parse_release("bookworm", TEXT), snapshot_of([OLD])[0])


def applied(live: Live | None, rows: list[Package]) -> Applied:
    before, target = snapshot_of([OLD] if live else []), snapshot_of(rows)
    return Applied(target[0], {}, *difference(before[0], target[0], {**before[1], **target[1]}.__getitem__))


@pytest.mark.parametrize(
    ("live", "target", "suite", "asked", "reason", "added", "removed"),
    [
        (None, [], SUITE, "", "the first generation", [], []),
        (None, [OLD], SUITE, "", "the first generation", [OLD], []),
        (LIVE, [OLD], SUITE, "", "", [], []),
        (LIVE, [OLD], SUITE, "signed again", "signed again", [], []),
        (LIVE, [OLD, NEW], SUITE, "", "1 added, 0 removed", [NEW], []),
        (LIVE, [NEW], SUITE, "asked", "1 added, 1 removed", [NEW], [OLD]),
        (LIVE, [OLD], MORE, "", "architectures are now amd64 arm64", [], []),
        (LIVE, [OLD], ZSTD, "", "other indices are asked for", [], []),
        (LIVE, [OLD], EXPIRES, "", "Valid-Until is switched on or off", [], []),
    ],
)
def test_a_suite_is_published_when_it_would_change(
    live: Live | None,
    target: list[Package],
    suite: Suite,
    asked: str,
    reason: str,
    added: list[Package],
    removed: list[Package],
) -> None:
    decision = decide(live, applied(live, target), suite, asked)
    assert decision.reason == reason
    assert decision.added == tuple(row.member for row in added)
    assert decision.removed == tuple(row.member for row in removed)
