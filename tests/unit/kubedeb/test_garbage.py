from __future__ import annotations

import gc

import pytest

from kubedeb.garbage import no_search_for_garbage


@no_search_for_garbage()
def searched() -> bool:
    return gc.isenabled()


def test_nothing_is_searched_meanwhile_and_everything_afterwards() -> None:
    assert gc.isenabled()
    assert not searched()
    assert gc.isenabled()


def test_what_was_switched_off_before_stays_off() -> None:
    gc.disable()
    try:
        searched()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_error_switches_the_search_on_again() -> None:
    with pytest.raises(ValueError, match="no plan"), no_search_for_garbage():
        raise ValueError("no plan")
    assert gc.isenabled()
