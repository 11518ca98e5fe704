"""What the texts of options stand for."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsim.cli.options import horizons
from adsim.errors import AdsimError


@given(st.integers(1, 10**6), st.integers(0, 10**9))
def test_a_range_of_horizons_doubles_from_the_first_to_at_most_the_last(first: int, more: int) -> None:
    found = horizons(f"{first}:{first + more}")
    assert found[0] == first
    assert all(after == 2 * before for before, after in pairwise(found))
    assert found[-1] <= first + more < 2 * found[-1]


def test_listed_horizons_are_taken_as_they_are() -> None:
    assert horizons("300, 100,300") == [300, 100]
    assert horizons("7") == [7]


@pytest.mark.parametrize("text", ["", ",", "0", "-5,10", "10:5", "0:8", ":", "1:", "1:2:4", "1.5", "1e3", "250-500"])
def test_other_horizons_are_refused_with_both_forms_shown(text: str) -> None:
    with pytest.raises(AdsimError, match=r"--horizons .*250,1000 or as 250:16000"):
        horizons(text)
