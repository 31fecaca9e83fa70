"""Words for addresses and for lists."""


def slug(title: str) -> str:
    """A title as a part of an address."""
    return title.lower().replace(" ", "-")


def listed(words: list[str]) -> str:
    """Words as a sentence has them."""
    return ", ".join(words)
