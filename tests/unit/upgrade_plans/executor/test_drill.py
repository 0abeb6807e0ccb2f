"""Two stores compared key by key."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from upgrade_plans.adapters.protocols import Entry
from upgrade_plans.executor.drill import SHOWN, compare

numbers = st.integers(0, 3)
entries = st.builds(Entry, st.binary(min_size=1, max_size=3), st.sampled_from(["x", "y"]), numbers, numbers, numbers, numbers)
stores = st.lists(entries, max_size=8, unique_by=lambda entry: entry.key).map(lambda found: sorted(found, key=lambda e: e.key))


@given(stores)
def test_a_store_equals_itself(store: list[Entry]) -> None:
    found = compare(store, iter(store))
    assert found.keys == len(store)
    assert found.differences == ()


@given(stores, stores)
def test_every_difference_is_seen(live: list[Entry], restored: list[Entry]) -> None:
    one, two = {entry.key: entry for entry in live}, {entry.key: entry for entry in restored}
    differing = [key for key in one.keys() | two.keys() if one.get(key) != two.get(key)]
    assert len(compare(live, restored).differences) == min(len(differing), SHOWN)


def test_what_differs_is_named() -> None:
    a, b = Entry(b"a", "v", 1, 1, 1, 0), Entry(b"b", "v", 2, 2, 1, 0)
    assert compare([a, b], [a]).differences == ("'b' is in the live store and not in the backup",)
    assert compare([b], [a, b]).differences == ("'a' is in the backup and not in the live store",)
    assert compare([a], [replace(a, lease=7, value="w")]).differences == ("'a' differs in value, lease",)
