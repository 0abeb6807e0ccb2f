import pytest

from repo.hosts import Downgrade, downgrades, install_line, pins_text, without
from repo.models import Member


def members(*labels: str) -> list[Member]:
    return [Member(*label.split(), "0" * 64) for label in labels]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "down"),
    [
        (["etcd 3.10 amd64"], ["etcd 3.9 amd64"], [Downgrade("etcd", "3.10", "3.9")]),
        (["etcd 3.9 amd64"], ["etcd 3.10 amd64"], []),
        # The newest counts, whatever else leaves.
        (["etcd 3.9 amd64", "etcd 3.10 amd64"], ["etcd 3.10 amd64"], []),
        (["etcd 3.9 amd64", "etcd 3.10 amd64"], ["etcd 3.9 amd64"], [Downgrade("etcd", "3.10", "3.9")]),
        (["etcd 1:1 amd64"], ["etcd 2 amd64"], [Downgrade("etcd", "1:1", "2")]),
        (["etcd 1 amd64"], [], [Downgrade("etcd", "1", "")]),
        (["etcd 1 source"], [], []),
    ],
)
def test_hosts_go_down_where_the_newest_does(before: list[str], after: list[str], down: list[Downgrade]) -> None:
    assert downgrades(members(*before), members(*after)) == tuple(down)


def test_what_hosts_are_told() -> None:
    down = (Downgrade("etcd", "2", "1"), Downgrade("gone", "2", ""))
    assert install_line(down) == "apt-get update && apt-get install --only-upgrade --allow-downgrades etcd=1"
    assert "Package: etcd\nPin: version 1\nPin-Priority: 1001\n" in pins_text(down)
    assert "gone" not in pins_text(down)
    assert without(down) == ("gone",)
    assert (install_line(down[1:]), pins_text(()), without(())) == ("", "", ())
