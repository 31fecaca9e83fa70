"""24 tests that fail for 21 causes; most say something that no other run will say."""

import asyncio
import datetime
import hashlib
import os
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path

import pytest

from app import bank

NAMES = {"ada", "brian", "chris", "dennis", "edsger", "frances"}


@pytest.fixture
def account():
    return bank.Account(balance=10, history=[3, 7])


@pytest.fixture
def broken_fixture(tmp_path):
    raise OSError(f"cannot prepare {tmp_path}/data.db")


def test_compares_a_call(account):
    assert bank.total(account.history) == 11


def test_compares_a_property(account):
    assert account.overdrawn


def test_compares_long_lists():
    squares = [number * number for number in range(40)]
    assert squares == [*range(40)]


def test_compares_sets():
    names = set(NAMES)
    assert names == {"ada", "grace"}


def test_membership_in_a_set():
    assert "linus" in NAMES


def test_predicate_of_an_object(account):
    assert bank.check(account)


def test_shows_an_address():
    handle = bank.Handle()
    assert handle is None


def test_message_with_a_set():
    raise ValueError(f"unknown names {NAMES} in {frozenset(NAMES)}")


def test_raises_in_the_code(account):
    account.withdraw(11)


def test_process_ids():
    bank.in_process()


def test_uuid_and_address():
    bank.with_identity()


def test_same_cause_again():
    bank.with_identity()


def test_missing_temporary_file(tmp_path):
    (tmp_path / "settings.toml").read_text()


def test_missing_in_own_temporary_directory():
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "absent.txt").read_text()


def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        raise ConnectionError(f"127.0.0.1:{port} refused; port {port} is taken")


def test_times():
    began = time.perf_counter()
    now = datetime.datetime.now()
    raise TimeoutError(f"at {now} ({time.time()}): {time.perf_counter() - began} s passed")


def test_digest_and_hash():
    digest = hashlib.sha256(str(time.time_ns()).encode()).hexdigest()
    raise KeyError(f"{digest} {hash('seeded')}")


def test_in_a_thread():
    worker = threading.Thread(target=lambda: None)
    raise RuntimeError(
        f"{worker.name} {worker} in {threading.get_native_id()} worker "
        f"{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
    )


def test_group_of_errors():
    async def fail(name):
        raise ValueError(f"{name} at {object()}")

    async def main():
        async with asyncio.TaskGroup() as group:
            for name in NAMES:
                group.create_task(fail(name))

    asyncio.run(main())


def test_recursion_in_the_code():
    bank.ping(0)


def test_changes_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZeroDivisionError):
        bank.total([1, 2])


def test_fixture_fails(broken_fixture):
    raise AssertionError("never reached")


def test_fails_without_traceback():
    pytest.fail(f"see {Path(__file__).resolve()}:12", pytrace=False)


class TestAsUnittest(unittest.TestCase):
    def test_equality_of_objects(self):
        self.assertEqual([object()], [1])
