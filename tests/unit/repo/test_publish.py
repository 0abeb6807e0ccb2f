import pytest

from kubedeb.aptrepo import parse_release
from repo.live import Live
from repo.models import Member, Snapshot, Suite
from repo.publish import decide

OLD, NEW = Member("etcd-server", "3.3", "amd64", "1" * 64), Member("etcd-server", "3.4", "amd64", "2" * 64)
SUITE = Suite("bookworm", ("amd64",))
RELEASE = parse_release("bookworm", "Date: Mon, 23 Nov 2026 14:54:10 +0000\nArchitectures: amd64\n")
LIVE = Live(3, b"", RELEASE, Snapshot.of([OLD]))


@pytest.mark.parametrize(
    ("live", "target", "suite", "reason", "added", "removed"),
    [
        (None, [], SUITE, "the first generation", (), ()),
        (None, [OLD], SUITE, "the first generation", (OLD,), ()),
        (LIVE, [OLD], SUITE, "", (), ()),
        (LIVE, [OLD, NEW], SUITE, "1 added, 0 removed", (NEW,), ()),
        (LIVE, [NEW], SUITE, "1 added, 1 removed", (NEW,), (OLD,)),
        (LIVE, [OLD], Suite("bookworm", ("amd64", "arm64")), "architectures are now amd64 arm64", (), ()),
    ],
)
def test_a_suite_is_published_when_it_would_change(
    live: Live | None, target: list[Member], suite: Suite, reason: str,
    added: tuple[Member, ...], removed: tuple[Member, ...],
) -> None:  # fmt: skip
    decision = decide(live, Snapshot.of(target), suite)
    assert (decision.reason, decision.added, decision.removed) == (reason, added, removed)
