from text import listed, slug


def test_a_slug_is_in_lower_case() -> None:
    assert slug("Release Notes") == "release-notes"


def test_a_slug_keeps_its_numbers() -> None:
    assert slug("Version 2") == "version-2"


def test_nothing_is_an_empty_list() -> None:
    assert listed([]) == ""


def test_two_words_are_listed() -> None:
    assert listed(["tea", "milk"]) == "tea, milk"
