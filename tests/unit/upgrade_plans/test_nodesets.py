"""Node sets: what they hold, and that none depends on the machine or eats its memory."""

from __future__ import annotations

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from upgrade_plans.models.nodesets import MOST, edges, ends, expand, fold, spread, terms
from upgrade_plans.models.words import NodeSetText


@pytest.mark.parametrize(
    ("text", "names"),
    [("etcd1", "etcd1"), ("etcd[1-3]", "etcd1 etcd2 etcd3"), ("etcd[01-02],mon1", "etcd01 etcd02 mon1"),
     ("etcd[1-3]!etcd2", "etcd1 etcd3"), ("r[1-2]n[1,4]", "r1n1 r1n4 r2n1 r2n4"), ("n[2-6/2]", "n2 n4 n6")],
)  # fmt: skip
def test_holds_what_is_written(text: str, names: str) -> None:
    assert expand(text) == tuple(names.split())


def test_the_sizes_of_terms_add_up() -> None:
    assert len(expand("a[1-1500],b[1-1500],c[1-1500]")) == 4500
    assert len(expand(f"a[1-{MOST}]")) == MOST


@pytest.mark.parametrize(
    ("text", "says"),
    [("*", "names a group"), ("@group", "names a group"), ("etcd[1-3],@x", "names a group"), ("etcd1!etcd1", "empty"),
     (f"a[0-{MOST}]", "too large"), ("a[1-999999999]", "too large"), ("a[1-999]b[1-999]", "too large"),
     ("a[1-", "not a node set"), (f"a[1-{MOST}],b1", "too large"), ("a[3-1]", "not a node set"), ("n[1/0]", "not a node set")],
)  # fmt: skip
def test_refuses(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        expand(text)


@given(st.text("ab12[]-,/!&^%@ *0", max_size=24))
def test_any_text_is_a_node_set_or_refused(text: str) -> None:
    try:
        names = expand(text)
    except ValueError as error:
        names = (str(error),)
    assert 0 < len(names) <= MOST


@given(
    st.sets(st.builds("{}{:0{}d}".format, st.sampled_from(["w", "etcd", "r1-n"]), st.integers(0, 99), st.just(2)), min_size=1)
)
def test_what_is_folded_expands_to_the_same(names: set[str]) -> None:
    assert set(expand(fold(names))) == names


SOME = st.sets(st.integers(0, 12), min_size=1, max_size=4)


@given(SOME, SOME, st.sampled_from(["", "x"]))
def test_names_with_two_numbers_are_folded_to_what_plans_and_facts_may_hold(
    rows: set[int], numbers: set[int], after: str
) -> None:
    names = {f"r{row}-n{number}{after}" for row in rows for number in numbers}
    assert set(spread(TypeAdapter(NodeSetText).validate_python(fold(names)))) == names


def range_text(low: int, size: int, width: int) -> str:
    first = f"{low:0{width}}"
    return first if size == 0 else f"{first}-{low + size:0{width}}"


ranges = st.lists(st.builds(range_text, st.integers(0, 120), st.integers(0, 15), st.integers(1, 4)), min_size=1, max_size=4)


@given(st.sampled_from(["w", "r1-n", "a.b", "x_"]), ranges, st.sampled_from(["", "-eth", ".example"]))
def test_the_quick_way_is_clustershell_s(before: str, inside: list[str], after: str) -> None:
    text = f"{before}[{','.join(inside)}]{after}"
    assert expand(text) == tuple(map(str, NodeSet(text, resolver=RESOLVER_NOGROUP)))


@given(st.sets(st.integers(0, 130), min_size=1), st.integers(1, 4), st.sampled_from(["w", "a.b_", "x-", "r1-n", ""]))
def test_the_quick_fold_is_clustershell_s(numbers: set[int], width: int, before: str) -> None:
    names = [f"{before}{number:0{width}}" for number in numbers]
    assert fold(names) == str(NodeSet.fromlist(names, resolver=RESOLVER_NOGROUP))


COUNTED = st.builds(range_text, st.integers(0, 120), st.integers(0, 15), st.integers(1, 3))
TERMS = st.builds("{}[{}]".format, st.sampled_from(["w", "a-w", "etcd", "W", "x.", "_"]), COUNTED) | st.sampled_from(
    ["w7", "w007", "mon", "a-w1", "r1-n2", "etcd[1-3]"]
)


@given(st.lists(TERMS, min_size=1, max_size=6))
def test_sets_of_several_beginnings_are_folded_as_clustershell_folds_them(texts: list[str]) -> None:
    assert fold(texts) == str(NodeSet.fromlist(texts, resolver=RESOLVER_NOGROUP))


def test_node_sets_are_folded_as_their_names_are() -> None:
    assert fold(["w[01-03,07]", "w04", "w05"]) == "w[01-05,07]"
    assert fold(["w[01-03]", "e1"]) == "e1,w[01-03]"


@given(st.lists(st.sampled_from(["w01", "a[1-3,7]", "r1-n[04-09].example", "x", "b[1]"]), min_size=1, max_size=5))
def test_the_terms_of_a_set_are_what_was_joined(parts: list[str]) -> None:
    assert terms(",".join(parts)) == tuple(parts)
    assert spread(",".join(parts)) == tuple(name for part in parts for name in expand(part))


@given(st.sampled_from(["w", "a.b"]), ranges, st.sampled_from(["", ".example"]))
def test_the_ends_of_a_term_are_in_it(before: str, inside: list[str], after: str) -> None:
    text = f"{before}[{','.join(inside)}]{after}"
    assert set(ends(text)) <= set(NodeSet(text, resolver=RESOLVER_NOGROUP))
    assert ends("w01") == ("w01",)
    assert set(edges(f"{text},x")) <= {*NodeSet(text, resolver=RESOLVER_NOGROUP), "x"}
    assert [ends(term) for term in ("r[1-2]n[1-2]", "n[2-6/2]", "r1[2-3]", "n[2-", "n[]")] == [()] * 5
