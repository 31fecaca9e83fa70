import pytest
from shop import total


def test_a_total_is_the_sum_of_the_prices():
    assert total([100, 250]) == 350


def test_a_discount_is_taken_off_the_sum():
    assert total([100, 250], discount_percent=10) == 315


def test_a_discount_of_more_than_everything_is_refused():
    with pytest.raises(ValueError, match="from 0 to 100"):
        total([100], discount_percent=101)
