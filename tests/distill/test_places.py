"""The table of places: what was noted is found, nothing else is, and it stays small."""

from __future__ import annotations

import hashlib
import sys

from distill.places import Places


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def test_every_key_is_found_at_its_place_and_no_other() -> None:
    """Through several doublings each key has its one place, and an unknown key has none."""
    places = Places()
    for number in range(20_000):
        places.add(key(number), 7 * number)
    assert len(places) == 20_000
    assert all(list(places.candidates(key(number))) == [7 * number] for number in range(20_000))
    assert not any(list(places.candidates(key(number))) for number in range(20_000, 30_000))
    assert sorted(places) == [7 * number for number in range(20_000)]


def test_keys_that_share_a_fingerprint_are_both_candidates() -> None:
    """Two keys with the same first half are told apart by the caller: both places are given."""
    places = Places()
    places.add("ab" * 8 + "00" * 8, 0)
    places.add("ab" * 8 + "11" * 8, 5)
    assert list(places.candidates("ab" * 16)) == [0, 5]


def test_two_hundred_thousand_keys_take_a_few_megabytes() -> None:
    """A key costs less than 50 bytes, where a dict takes 150."""
    places = Places()
    for number in range(200_000):
        places.add(f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" + "0" * 16, number)
    arrays = [value for value in vars(places).values() if hasattr(value, "typecode")]
    assert sum(map(sys.getsizeof, arrays)) < 50 * 200_000
