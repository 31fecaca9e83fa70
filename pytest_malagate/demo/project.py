"""The files of the story's project: a shopping cart with three bugs, and the tests that find them.

They are texts and not files, so that no tool takes them for modules or tests of this package.
"""

from __future__ import annotations

CART_PATH = "src/cart.py"
CONFTEST_PATH = "conftest.py"

# `python` becomes the name of the interpreter that plays the story.
POLICY = """\
version: 1
validations:
  tests: {kind: test}
  lint: {command: python -m compileall -q src}
scopes:
  task: [tests, lint]
coverage:
  source: [src]
  min_percent: 90
retry:
  max_attempts: 10
"""

PYPROJECT = """\
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
"""

GITIGNORE = """\
__pycache__/
.pytest_cache/
"""

TESTS = """\
import pytest
from cart import discounted, parse_price, shipping, split, subtotal


def test_price():
    assert parse_price("12.50") == 1250


def test_exact_price():
    assert parse_price("19.99") == 1999


def test_empty_cart():
    assert subtotal([]) == 0


def test_quantities():
    assert subtotal([(1250, 2), (499, 1)]) == 2999


def test_discount():
    assert discounted(2000, 15) == 1700


def test_discount_over_100_percent():
    with pytest.raises(ValueError):
        discounted(2000, 150)


def test_shipping():
    assert shipping(4999) == 490


def test_free_shipping():
    assert shipping(5000) == 0


def test_equal_shares():
    assert split(900, 3) == [300, 300, 300]


def test_shares_add_up():
    assert sum(split(1000, 3)) == 1000
"""

FILES = {
    ".gitignore": GITIGNORE,
    "malagate.yaml": POLICY,
    "pyproject.toml": PYPROJECT,
    "tests/test_cart.py": TESTS,
}
"""What is there before the agent comes: the policy and the tests."""

READ_PRICE = "return int(float(text) * 100)"
READ_PRICE_FIXED = "return round(float(text) * 100)"
FREE_SHIPPING = "return 0 if cents > 5000 else 490"
FREE_SHIPPING_FIXED = "return 0 if cents >= 5000 else 490"
SPLIT = "return [cents // people] * people"
SPLIT_FIXED = """\
share, rest = divmod(cents, people)
    return [share + 1] * rest + [share] * (people - rest)"""

CART = f'''\
"""A shopping cart. Amounts are in cents."""


def parse_price(text):
    """The cents of a price such as 12.50."""
    {READ_PRICE}


def subtotal(lines):
    """What pairs of price and quantity cost together."""
    return sum(price * quantity for price, quantity in lines)


def discounted(cents, percent):
    """The amount with a discount taken off."""
    if not 0 <= percent <= 100:
        raise ValueError(f"{{percent}} is no percentage")
    return cents - cents * percent // 100


def shipping(cents):
    """What shipping costs: nothing from 50.00 on."""
    {FREE_SHIPPING}


def split(cents, people):
    """Shares that add up to the amount."""
    {SPLIT}
'''

CONFTEST = """\
def pytest_sessionfinish(session):
    session.exitstatus = 0
"""
"""Makes pytest exit with 0 whatever the tests said."""
