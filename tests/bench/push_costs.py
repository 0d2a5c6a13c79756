"""What pushes cost a delivery, and how many of them the worker sends."""

import contextlib
import itertools
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

from coitest import Dovecot, wait_until
from coitest.authority import Authority
from coitest.dovecot import free_ports
from coitest.pushservice import PushService
from coitest.worker import Client, Job, options as with_worker
from push import SETTINGS, Phone, Worker, subscribed

import common
import instructions
import times

BODY_BYTES = 3000
CONNECTIONS = 20    # of mail processes to the worker
USERS = 200
QUEUED = 100_000


def delivery_rows(options, directory):
    yield from instruction_rows(options, directory / "push")
    yield from waiting_rows(options)
    yield idle_row()


def worker_rows(options, _directory):
    with tempfile.TemporaryDirectory(dir=os.environ["COI_WORK"]) as work:
        yield speed_row(options, pathlib.Path(work))
        yield memory_row(options, pathlib.Path(work))


# -- instructions

# What a push is made of, by the functions that make it.
PARTS = {
    "reading the message, payload": (
        "coi_webpush_message_read", "coi_webpush_message_get_headers",
        "coi_webpush_message_get_content", "webpush_payload_format"),
    "encryption": ("webpush_encrypt",),
    "signature": ("webpush_vapid_append",),
    "computing public keys": ("webpush_key_init",),
    "all": ("coi_webpush_ring",),
}


def instruction_rows(options, directory):
    few, many = (number * common.USERS for number in ((3, 8) if options.quick else (5, 30)))

    def cost(case, count, settings):
        workers = []

        def prepare(dovecot):
            if count:
                workers.append(Worker(dovecot))
                subscribe(dovecot, workers[-1], case, count)
        try:
            return instructions.per_delivery(
                case, few, many, directory / f"{bool(settings)}-{count}", prepare, settings)
        finally:
            for worker in workers:
                worker.stop()
    for case in (common.ORDINARY, common.CHAT):
        without = cost(case, 0, None)
        for count in (0, 1, 5):
            ours = cost(case, count, SETTINGS)
            yield common.Row(
                f"instructions per delivery: {case.name}, {count} subscriptions",
                f"{without / 1000:,.0f} k", f"{ours / 1000:,.0f} k",
                f"{ours / without:.4f}", "" if count else "<= 1.02")
    for what, number in instructions.of_functions(common.CHAT, few, many, directory / "True-1",
                                                  PARTS).items():
        yield common.Row(f"instructions per push of chat: {what}", "",
                         f"{number / 1000:,.0f} k", "")


def subscribe(dovecot, worker, case, count):
    for user in case.users:
        with dovecot.imap(user) as imap:
            for number in range(count):
                subscribed(imap, worker, f"{user}-phone-{number}", Phone())
            imap.ok("LOGOUT")


# -- who waits

@contextlib.contextmanager
def pushing(service, authority, directory):
    """A Dovecot with a worker, and bob's subscription at the service."""
    mine = with_worker(directory, authority)
    mine["extra"] = without_debug(mine["extra"])
    mine["settings"] |= SETTINGS
    dovecot = Dovecot(**mine).start()
    try:
        with dovecot.imap("bob") as bob:
            subscribed_for_real(bob, service)
            bob.ok("LOGOUT")
        yield dovecot
    finally:
        dovecot.stop()
        dovecot.remove()


def without_debug(text):
    return text.replace("log_debug = category=coi\n", "").replace(
        "log_debug = category=coi", "")


def subscribed_for_real(client, service):
    phone = Phone(service.url("phone"))

    class Sent:
        """What subscribed() wants of a worker, seen from the other end."""
        @staticmethod
        def pushes(count, validation=False):
            assert validation
            return service.wait(count, name="phone") if count else service.received("phone")
    subscribed(client, Sent, phone=phone)


def waiting_rows(options):
    rounds = 30 if options.quick else 400
    with contextlib.ExitStack() as stack:
        servers, workers = {}, {}
        for name in ("fast", "hanging"):
            directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            authority = Authority(directory / "authority")
            service = stack.enter_context(PushService(authority))
            dovecot = stack.enter_context(pushing(service, authority, directory))
            servers[name] = service, dovecot
            workers[name] = stack.enter_context(Client(dovecot))
        hanging = servers["hanging"][0]
        hanging.on_connect = "hang"
        hanging.drop_connections()
        spent = {name: [] for name in servers}
        late = []
        queued = 0
        for name in common.turns(list(servers), rounds):
            service, dovecot = servers[name]
            # the first one finds the caches as the other server has left them
            for _ in range(2):
                before = len(service.received())
                took = data_to_250(dovecot)
                end = time.time()
                if name == "fast":
                    wait_until(lambda: len(service.received()) > before, "the push")
                else:
                    queued += 1
                # what the one's worker writes is not to hold up the other
                wait_until(lambda: len(workers[name].queue("bob")) ==
                           (queued if name == "hanging" else 0), "the worker has done its part")
            spent[name].append(took)
            if name == "fast":
                late.append((service.received()[-1].time - end) * 1000)
    fast, hanging = (common.median(spent[name]) for name in ("fast", "hanging"))
    yield common.Row("DATA to 250, one subscription: a hanging service for a fast one",
                     f"{fast:.2f} ms", f"{hanging:.2f} ms", f"{hanging / fast:.3f}", "<= 1.05")
    yield common.Row("from 250 to the push at its service", "",
                     f"{common.median(late):.1f} ms", f"{common.median(late):.1f} ms",
                     "<= 50 ms")


def data_to_250(dovecot):
    """ms from the end of DATA to the answer."""
    with common.Session(dovecot) as session:
        session.ehlo_or_helo_if_needed()
        session.mail("alice@example.org")
        session.rcpt("bob@example.org")
        session.putcmd("data")
        assert session.getreply()[0] == 354
        start = time.monotonic()
        session.send(common.CHAT.message().replace(b"\n", b"\r\n") + b".\r\n")
        code, text = session.getreply()
        assert code == 250, text
        return (time.monotonic() - start) * 1000


# -- who never pushes

def idle_row():
    with common.running(True) as without, common.running(True, settings=SETTINGS) as ours:
        before, after = times.idle_kbytes(without), times.idle_kbytes(ours)
    return common.Row("private memory of an idle imap process that never pushed",
                      f"{before:.0f} kB", f"{after:.0f} kB", f"{after - before:+.0f} kB", "+0 kB")


# -- the worker

@contextlib.contextmanager
def nghttpd(directory, authority):
    """A service that can more than ours; yields its port."""
    certificate, key = authority.certificate("localhost", "127.0.0.1")
    (directory / "push").write_bytes(b"")
    [port] = free_ports(1)
    with subprocess.Popen(["nghttpd", "-a", "127.0.0.1", "-d", directory, str(port), key,
                           certificate], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as service:
        try:
            wait_until(lambda: can_connect(port), "nghttpd listens")
            yield port
        finally:
            service.kill()


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def ceiling(port, count, directory):
    """What h2load sends a second."""
    body = directory / "body"
    body.write_bytes(os.urandom(BODY_BYTES))
    done = subprocess.run(["h2load", "-n", str(count), "-c", "4", "-m", "100", "-d", body,
                           f"https://127.0.0.1:{port}/push"], check=True, text=True,
                          stdout=subprocess.PIPE)
    return float(re.search(r"finished in .*?, ([0-9.]+) req/s", done.stdout)[1])


@contextlib.contextmanager
def worker_alone(directory, authority, **settings):
    mine = with_worker(directory, authority, timeout="30 secs", queue_max=2 * QUEUED,
                       **settings)
    mine["extra"] = without_debug(mine["extra"])
    dovecot = Dovecot(**mine).start()
    try:
        yield dovecot
    finally:
        dovecot.stop()
        dovecot.remove()


def make_jobs(count, endpoint):
    """The lines of each client."""
    body = os.urandom(BODY_BYTES)
    shares = [[] for _ in range(CONNECTIONS)]
    for _, number in zip(range(count), itertools.cycle(range(USERS))):
        shares[number % CONNECTIONS].append("JOB\t" + Job(
            endpoint.format(number), user=f"user{number}", body=body).line() + "\n")
    return [(len(lines), "".join(lines).encode()) for lines in shares]


def hand_over(dovecot, shares):
    """By several clients at once; fails unless all are acknowledged."""
    refused = []

    def run(count, lines):
        with Client(dovecot) as client:
            writer = threading.Thread(target=client.sock.sendall, args=(lines,))
            writer.start()
            refused.extend(line for line in (client.read() for _ in range(count))
                           if not line.startswith("OK\t"))
            writer.join()
    threads = [threading.Thread(target=run, args=share) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not refused, refused[0]


def wait_sent(dovecot):
    with Client(dovecot) as client:
        for number in range(USERS):
            client.wait_empty(f"user{number}")


def resident(dovecot):
    """MB of the worker."""
    [pid] = dovecot.processes("coi-push")
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+) kB", text)[1]) / 1024


def speed_row(options, directory):
    count = 4000 if options.quick else 40000
    authority = Authority(directory / "authority")
    with nghttpd(directory, authority) as port:
        most = ceiling(port, count, directory)
        with worker_alone(directory, authority) as dovecot:
            jobs = make_jobs(count, f"https://localhost:{port}/push?{{}}")
            start = time.monotonic()
            hand_over(dovecot, jobs)
            wait_sent(dovecot)
            sent = count / (time.monotonic() - start)
    return common.Row(f"durable pushes a second, {BODY_BYTES:,} bytes, TLS; plain: h2load",
                     f"{most:,.0f}", f"{sent:,.0f}", f"{sent:,.0f}", ">= 3,000")


def memory_row(options, directory):
    count = QUEUED // 10 if options.quick else QUEUED
    directory = directory / "waiting"
    directory.mkdir()
    with worker_alone(directory, Authority(directory / "authority"),
                      dns_servers=f"127.0.0.1:{free_ports(1)[0]}") as dovecot:
        hand_over(dovecot, make_jobs(count, "https://push{}.example.net/x"))
        used = resident(dovecot)
    return common.Row(f"memory of the worker, {count:,} jobs queued", "", f"{used:.1f} MB",
                      f"{used:.1f} MB", "<= 32 MB")
