"""pytest's hooks, as far as an idle plugin needs them.

pytest loads this module wherever malagate is installed. Until `-p malagate` or `--malagate` asks
for it, it adds its options and does nothing else: it imports only pytest, and hides itself from
the header's list of plugins, so that not even the output changes.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_malagate.session import Hooks

_hooks: pytest.StashKey[Hooks] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds malagate's options. Each is documented as `--option=VALUE`: pytest takes a separate
    value of an option that it does not know yet for a path, and may move the root directory."""
    group = parser.getgroup("malagate", "malagate: a gate from evidence")
    add = group.addoption
    add("--malagate", action="store_true", help="record this run as evidence and judge it")
    add(
        "--malagate-task",
        metavar="ID",
        help="the task whose commit must exist (default: the branch is the task)",
    )
    add("--malagate-base", metavar="REF", help="git revision that the policy is read from")
    add(
        "--malagate-scope",
        choices=("task", "global"),
        default="task",
        help="which of the policy's scopes to judge by",
    )
    add(
        "--malagate-policy",
        metavar="FILE",
        help="the policy (default: malagate.yaml or [tool.malagate])",
    )
    add(
        "--malagate-out",
        metavar="DIR",
        help="where to write (default: malagate-out beside the policy)",
    )
    add("--malagate-collect", action="store_true", help="record, do not judge")
    add(
        "--malagate-admission",
        action="store_true",
        help="refuse what passed while its task waits in the queue or the repository is frozen",
    )
    add(
        "--malagate-rerun",
        action="store_true",
        help="run failed tests once more, in a fresh process, to tell flaky ones",
    )


def asked_for(option: object) -> bool:
    """True if the command line, PYTEST_ADDOPTS or addopts names the plugin."""
    return bool(getattr(option, "malagate", False)) or "malagate" in getattr(option, "plugins", ())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Begins before any conftest is imported, so that coverage sees their imports."""
    option = early_config.known_args_namespace
    if not asked_for(option):
        _refuse_idle_options(option)
        return (yield)
    from pytest_malagate.session import begin, begin_worker

    worker = "PYTEST_XDIST_WORKER" in os.environ
    hooks = begin_worker(early_config, option) if worker else begin(early_config, option)
    early_config.stash[_hooks] = hooks
    try:
        return (yield)
    except BaseException as error:
        hooks.conftest_failed(error)
        raise


def _refuse_idle_options(option: object) -> None:
    given = [
        name
        for name in ("task", "base", "policy", "out", "collect", "rerun", "admission")
        if getattr(option, f"malagate_{name}", None)
    ]
    if given:
        raise pytest.UsageError(f"--malagate-{given[0]} does nothing by itself: add -p malagate")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the hooks that do the work, or makes the idle plugin invisible."""
    hooks = config.stash.get(_hooks, None)
    if hooks is None:
        _hide(config)
    else:
        hooks.register(config)


def _hide(config: pytest.Config) -> None:
    """Takes the idle plugin out of the header's list; pluggy offers no public way to do it."""
    listed = getattr(config.pluginmanager, "_plugin_distinfo", None)
    if isinstance(listed, list):
        listed[:] = [entry for entry in listed if getattr(entry[0], "__name__", "") != __name__]
