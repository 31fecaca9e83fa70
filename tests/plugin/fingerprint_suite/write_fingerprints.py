"""A plugin for the perturbation test: `FINGERPRINTS=FILE pytest -p write_fingerprints`."""

import json
import os
from pathlib import Path

import pytest

from pytest_malagate.collect.failures import attach, failure_of


class Fingerprints:
    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._seen: dict[str, dict[str, object]] = {}
        self._file = None if hasattr(config, "workerinput") else os.environ["FINGERPRINTS"]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        attach(report, call.excinfo, item.nodeid, self._root)
        return report

    def pytest_runtest_logreport(self, report):
        if report.failed and self._file is not None:
            failure = failure_of(report, root=self._root)
            self._seen[report.nodeid] = {
                "fingerprint": failure.fingerprint,
                "message": failure.message,
                "exception": failure.exception,
                "function": failure.function,
                "attached": hasattr(report, "malagate_failure"),
            }

    def pytest_sessionfinish(self):
        if self._file is not None:
            Path(self._file).write_text(json.dumps(self._seen))


def pytest_configure(config):
    config.pluginmanager.register(Fingerprints(config), "fingerprints-of-the-test")
