"""What holds for every text, however it was made."""

from __future__ import annotations

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_malagate.policy import Policy, PolicyError, parse_policy
from pytest_malagate.policy.table import POLICY
from pytest_malagate.policy.toml_positions import locate
from tests.policy.examples import TOML, YAML

FILES = st.sampled_from(["malagate.yaml", "pyproject.toml"])
SNIPPETS = st.sampled_from(
    [
        *(
            "version: ",
            "validations: ",
            "coverage: ",
            "scopes: ",
            "[tool.malagate",
            "tool.",
            "kind",
        ),
        *("\n", "\n  ", "\t", "- ", ": ", "? ", "{", "}", "[", "]", ",", "=", '"', "'", '"""', "#"),
        *(
            "&a ",
            "*a",
            "!!int ",
            "! ",
            "<<",
            "|\n",
            ">",
            "---\n",
            "...",
            "%YAML 1.1\n",
            "\\U",
            "\\",
        ),
        *("0x_", "1_0", "1:30", ".inf", "~", "on", "2024-01-01", "2024-99-99", "=", "\r", "\ud800"),
    ]
)
TEXTS = st.lists(SNIPPETS | st.text(max_size=5), max_size=25).map("".join)


def is_policy_or_refused(data: str | bytes, file: str) -> bool:
    try:
        policy = parse_policy(data, file=file)
    except PolicyError as error:
        return bool(error.problems) and all(line.isprintable() for line in str(error).splitlines())
    return isinstance(policy, Policy) and policy.digest.startswith("sha256:")


@given(data=st.binary(max_size=200) | TEXTS | st.text(max_size=200), file=FILES)
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_policy_or_a_policy_error(data: str | bytes, file: str) -> None:
    assert is_policy_or_refused(data, file)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_good_policy_with_a_piece_replaced_is_a_policy_or_a_policy_error(
    data: st.DataObject,
) -> None:
    text, file = data.draw(st.sampled_from([(YAML, "malagate.yaml"), (TOML, "pyproject.toml")]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    assert is_policy_or_refused(text[:start] + data.draw(TEXTS) + text[end:], file)


@given(text=TEXTS | st.text(max_size=100))
@settings(max_examples=200, deadline=None)
def test_looking_for_places_ends_for_any_text(text: str) -> None:
    place = locate(text).of_key(("tool", "malagate"))
    assert 1 <= place.line <= text.count("\n") + 1


def _key_names() -> list[str]:
    inner = [key for rule in POLICY.keys.values() for key in getattr(rule, "keys", ())]
    return [*POLICY.keys, *inner, "tests", "kind", "command", "selection"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_key_names()) | st.text(max_size=8), inner)
    ),
    max_leaves=12,
)


@given(values=st.dictionaries(st.sampled_from(list(POLICY.keys)), VALUES, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_values_under_right_names_are_a_policy_or_a_policy_error(values: object) -> None:
    assert is_policy_or_refused(yaml.safe_dump(values), "malagate.yaml")


PERCENT = st.floats(0, 100) | st.integers(0, 100)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "coverage": st.fixed_dictionaries(
            {}, optional={"min_percent": PERCENT, "branch": st.booleans(), "source": st.just(["a"])}
        ),
        "retry": st.fixed_dictionaries({}, optional={"max_attempts": st.integers(1, 1000)}),
        "integrity": st.fixed_dictionaries(
            {}, optional={"tests_removed": st.sampled_from(["off", "warn", "fail"])}
        ),
        "reconcile": st.fixed_dictionaries(
            {},
            optional={
                "grace_overrides": st.dictionaries(st.from_regex(r"\A[a-z]{1,9}\Z"), PERCENT)
            },
        ),
        "validations": st.dictionaries(
            st.from_regex(r"\A[a-z]{1,9}\Z"), st.just({"kind": "test"}), max_size=1
        ),
    },
)


def as_toml(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{key} = {as_toml(item)}" for key, item in value.items()) + "}"
        case list():
            return f"[{', '.join(map(as_toml, value))}]"
        case bool():
            return str(value).lower()
        case _:
            return repr(value)


@given(values=SETTINGS)
@settings(max_examples=100, deadline=None)
def test_one_content_means_one_policy_in_both_formats(values: dict[str, object]) -> None:
    from_yaml = parse_policy(yaml.safe_dump(values, sort_keys=False), file="malagate.yaml")
    from_toml = parse_policy(f"[tool]\nmalagate = {as_toml(values)}\n", file="pyproject.toml")
    assert msgspec.structs.replace(from_toml, file=from_yaml.file) == from_yaml
    assert from_toml.digest == from_yaml.digest


@given(values=SETTINGS, data=st.data())
@settings(max_examples=50, deadline=None)
def test_the_order_of_sections_does_not_change_the_digest(
    values: dict[str, object], data: st.DataObject
) -> None:
    shuffled = {key: values[key] for key in data.draw(st.permutations(list(values)))}
    one, other = (
        parse_policy(yaml.safe_dump(each, sort_keys=False), file="malagate.yaml")
        for each in (values, shuffled)
    )
    assert one == other
    assert one.digest == other.digest
