"""Prices of a small shop, in cents."""

from __future__ import annotations


def total(prices: list[int], *, discount_percent: int = 0) -> int:
    """The sum of the prices less the discount, rounded down to whole cents."""
    if not 0 <= discount_percent <= 100:
        raise ValueError(f"a discount is from 0 to 100 percent, not {discount_percent}")
    return sum(prices) * (100 - discount_percent) // 100
