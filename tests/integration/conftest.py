"""Fixtures: server makes private Dovecots, driver runs a test on each format;
push_service and dns are there for pushes, and judge says what is in them."""

import contextlib

import pytest

from coitest import Dovecot
from coitest.authority import Authority
from coitest.dnsserver import DnsServer
from coitest.judge import Judge
from coitest.pushservice import PushService
from push import SETTINGS, Worker

LOG_TAIL = 60  # lines
# Of several processes each has a connection to the worker: what is pushed may come
# in another order than it was delivered.
ONE_LMTP = "service lmtp {\n  process_limit = 1\n}"


def pytest_configure(config):
    """An exception in a thread would be a warning only."""
    config.addinivalue_line("filterwarnings", "error")


@pytest.fixture(params=["sdbox", "mdbox", "maildir"])
def driver(request):
    return request.param


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture
def push_service(authority):
    with PushService(authority) as service:
        yield service


@pytest.fixture
def dns():
    with DnsServer() as server:
        yield server


@pytest.fixture(scope="session")
def judge():
    """One for all tests: it keeps nothing of what it was asked."""
    with Judge() as judge:
        yield judge


@pytest.fixture
def server(request):
    """Call it with the options of coitest.config.Options. Each server is ended
    after the test, which fails if its log holds an error it did not expect."""
    servers = request.node.coi_servers = []

    def unstarted(**options):
        servers.append(Dovecot(**options))
        return servers[-1]

    def make(**options):
        return unstarted(**options).start()
    make.unstarted = unstarted
    yield make
    with contextlib.ExitStack() as stack:
        for one in servers:
            stack.callback(one.remove)
            stack.callback(one.check_log)
            stack.callback(one.stop)


@pytest.fixture
def push(server):
    """Makes a server with push and a worker for it: (server, worker)."""
    pairs = []

    def make(worker=None, **options):
        options["settings"] = SETTINGS | options.get("settings", {})
        options.setdefault("extra", ONE_LMTP)
        dovecot = server(**options)
        pairs.append((dovecot, Worker(dovecot, **(worker or {}))))
        return pairs[-1]
    yield make
    for dovecot, one in pairs:
        dovecot.stop()  # its processes may still wait for answers
        one.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Shows the end of each server's log with a test that failed."""
    report = (yield).get_result()
    if report.when == "call":
        item.coi_logs = [one.log_text().splitlines()[-LOG_TAIL:]
                         for one in getattr(item, "coi_servers", [])]
    if report.failed:
        for lines in getattr(item, "coi_logs", []):
            report.sections.append(("log of the server", "\n".join(lines)))
