"""Times by the wall clock. Each kind is measured in turn with the others, so
that what else the machine does hits all of them alike."""

import contextlib
import pathlib
import re
import statistics
import time

import common

IDLE_SECS = 1.2     # between events of one client: NOTIFY's own pause is 1 s
USER = common.ORDINARY.users[0]
SESSIONS = 6        # idle, so that code is shared as on a server


@contextlib.contextmanager
def both(extra=""):
    """plugins -> Dovecot"""
    with common.running(False, extra) as plain, common.running(True, extra) as ours:
        yield {False: plain, True: ours}


#
# Throughput
#

def lmtp_process(dovecot):
    [pid] = [pid for pid in dovecot.processes()
             if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "lmtp\n"]
    return pid


def cpu_secs(pid):
    """What the process has used so far, the kernel's work for it included."""
    text = pathlib.Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii")
    return int(text.split()[0]) / 1e9


def burst(session, case, number):
    """(seconds, CPU seconds of lmtp) for one delivery."""
    start, used = time.monotonic(), cpu_secs(session.pid)
    for each in range(number):
        session.deliver(case, each)
    return ((time.monotonic() - start) / number,
            (cpu_secs(session.pid) - used) / number)


# Waiting for the disk takes most of a delivery's time, and differs by more than
# what is to be seen here.
NO_FSYNC = "mail_fsync = never\n"


def throughput_rows(options, _directory):
    rounds, number = (10, 16) if options.quick else (120, 24)
    spent = {case: [] for case in common.CASES}
    with both(NO_FSYNC) as servers, common.Session(servers[False]) as plain, \
            common.Session(servers[True]) as ours:
        sessions = {False: plain, True: ours}
        for plugins, session in sessions.items():
            session.pid = lmtp_process(servers[plugins])
        for case in common.CASES:
            burst(sessions[case.plugins], case, number)
        for case in common.turns(common.CASES, rounds):
            spent[case].append(burst(sessions[case.plugins], case, number))
        for case in common.CASES:
            found = common.count(servers[case.plugins], case)
            if found != number * (rounds + 1):
                raise RuntimeError(f"{case.name}: {found} messages in {case.mailbox}")
    secs, cpu = ({case: common.median([one[which] for one in spent[case]])
                  for case in common.CASES} for which in (0, 1))
    for ours, plain, _target in common.DELIVERIES:
        yield common.Row(f"deliveries a second: {ours.name}", f"{1 / secs[plain]:.0f}",
                         f"{1 / secs[ours]:.0f}", f"{secs[plain] / secs[ours]:.3f}")
    for ours, plain, _target in common.DELIVERIES:
        yield common.Row(f"CPU of lmtp per delivery: {ours.name}",
                         f"{cpu[plain] * 1e6:.0f} us", f"{cpu[ours] * 1e6:.0f} us",
                         f"{cpu[ours] / cpu[plain]:.3f}")


#
# Delivery to notification
#

class Watcher:
    """A client that waits for what a delivery brings."""

    def __init__(self, dovecot, case, response, commands):
        self.case = case
        self.response = response
        self.delays = []
        self.session = common.Session(dovecot)
        self.imap = dovecot.imap(case.users[0])
        *first, last = commands
        for command in first:
            self.imap.ok(command)
        if last == "IDLE":
            self.imap.idle()
        else:
            self.imap.ok(last)
        self.heard = time.monotonic()

    def measure(self):
        """From LMTP's answer to the response, in ms."""
        pause = IDLE_SECS - (time.monotonic() - self.heard)
        time.sleep(max(0, pause))
        self.session.deliver(self.case)
        answered = time.monotonic()
        self.heard = self.imap.wait_for(self.response)[-1].at
        self.delays.append(max(0.0, self.heard - answered) * 1000)

    def close(self):
        self.session.close()
        self.imap.sock.close()


PERSONAL = "NOTIFY SET (PERSONAL (MessageNew MessageExpunge))"
SELECTED = "NOTIFY SET (SELECTED (MessageNew MessageExpunge))"
EXISTS = r"^\* \d+ EXISTS"
# name, is it about chat, response, commands, target
WATCHES = (
    ("IDLE on INBOX: EXISTS", False, EXISTS, ("SELECT INBOX", "IDLE"), "<= 10 ms"),
    ("IDLE on COI/Chats: EXISTS", True, EXISTS, (f"SELECT {common.CHATS}", "IDLE"),
     "<= 10 ms"),
    ("NOTIFY, not selected: STATUS", True, r"^\* STATUS ", (PERSONAL,), "<= 10 ms"),
    ("NOTIFY, selected: EXISTS", False, EXISTS, ("SELECT INBOX", SELECTED), "<= 10 ms"),
)


def watchers(servers, watch):
    """The two of one kind. The deliveries of one kind would wake the others,
    so only these are connected."""
    _name, chat, response, commands, _target = watch
    cases = (common.PLAIN_CHAT, common.CHAT) if chat else (common.PLAIN_MAIL, common.ORDINARY)
    return [Watcher(servers[case.plugins], case, response, commands) for case in cases]


def latency_row(servers, watch, rounds):
    pair = watchers(servers, watch)
    for watcher in common.turns(pair, rounds):
        watcher.measure()
    for watcher in pair:
        watcher.close()
    plain, ours = (watcher.delays for watcher in pair)
    texts = [f"{common.median(delays):.1f} (p95 {common.percentile95(delays):.1f}) ms"
             for delays in (plain, ours)]
    return common.Row(watch[0], *texts, f"{common.median(ours):.1f} ms", watch[4])


def latency_rows(options, _directory):
    rounds = 5 if options.quick else 25
    with both() as servers:
        for watch in WATCHES:
            yield latency_row(servers, watch, rounds)


#
# Login
#

def login(dovecot):
    """ms from LOGIN to the answer to SELECT."""
    with dovecot.imap() as imap:
        start = time.monotonic()
        imap.login(USER)
        imap.ok("CAPABILITY")
        imap.ok("SELECT INBOX")
        took = time.monotonic() - start
        imap.ok("LOGOUT")
    return took * 1000


def login_rows(options, _directory):
    rounds = 40 if options.quick else 500
    times = {name: [] for name in ("plain", "ours", "stock")}
    with both() as servers, common.running(False, common.stock_plugin()) as stock:
        server = {"plain": servers[False], "ours": servers[True], "stock": stock}
        for name in common.turns(list(times), rounds):
            times[name].append(login(server[name]))
    plain, ours, stock = (common.median(values) for values in times.values())
    yield common.Row("login, CAPABILITY, SELECT", f"{plain:.2f} ms", f"{ours:.2f} ms",
                     f"{ours / plain:.3f}", "<= 1.03")
    yield common.Row("the same, with Dovecot's notify plugin for ours",
                     f"{plain:.2f} ms", f"{stock:.2f} ms", f"{stock / plain:.3f}")


#
# Memory
#

def private_kbytes(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(number) for number in
               re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", text, re.M))


def imap_processes(dovecot):
    return [pid for pid in dovecot.processes()
            if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "imap\n"]


def idle_kbytes(dovecot):
    for _ in range(SESSIONS):
        imap = dovecot.imap(USER)
        imap.ok("SELECT INBOX")
        imap.idle()
    processes = imap_processes(dovecot)
    if len(processes) != SESSIONS:
        raise RuntimeError(f"{len(processes)} imap processes for {SESSIONS} clients")
    return statistics.median(private_kbytes(pid) for pid in processes)


def memory_rows(_options, _directory):
    with both() as servers:
        plain, ours = (idle_kbytes(servers[plugins]) for plugins in (False, True))
    yield common.Row("private memory of an idle imap process", f"{plain:.0f} kB",
                     f"{ours:.0f} kB", f"{ours - plain:+.0f} kB", "<= +64 kB")
