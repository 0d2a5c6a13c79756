"""Instructions, counted by callgrind: exact, and the same on a busy machine."""

import contextlib
import re

from coitest import wait_until

import callgrind
import common

CALLGRIND = """\
#!/bin/sh
exec /usr/bin/valgrind -q --tool=callgrind --vgdb=no \\
  --callgrind-out-file={out}/%p {binary} "$@"
"""
SERVICE = """\
service {name} {{
  executable = {wrapper}
  process_limit = 1
  vsz_limit = 1024G
}}
"""
PROFILE_MIN = 200   # instructions a delivery: calls below that are not shown


@contextlib.contextmanager
def counted(name, plugins, directory, more="", settings=None):
    """A Dovecot whose service of that name runs below callgrind, and the
    directory for what that writes."""
    out = directory / "out"
    out.mkdir(parents=True)
    wrapper = directory / name
    wrapper.write_text(CALLGRIND.format(out=out, binary=f"/usr/lib/dovecot/{name}"))
    wrapper.chmod(0o755)
    extra = SERVICE.format(name=name, wrapper=wrapper) + more
    with common.running(plugins, extra, settings) as dovecot:
        yield dovecot, out


def totals(out):
    """The instructions of each process that has ended, oldest first."""
    found = []
    for path in sorted(out.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        total = re.findall(r"^totals: (\d+)$", path.read_text(), re.M)
        found += [int(number) for number in total]
    return found


def deliveries(case, number, directory, prepare=None, settings=None):
    """The instructions of a new lmtp process that makes so many deliveries."""
    with counted("lmtp", case.plugins, directory, settings=settings) as (dovecot, out):
        if prepare is not None:
            prepare(dovecot)
        with common.Session(dovecot) as session:
            for each in range(number):
                session.deliver(case, each)
        found = common.count(dovecot, case)
    if found != number:
        raise RuntimeError(f"{case.name}: {found} of {number} messages in {case.mailbox}")
    [total] = totals(out)
    return total


def where(case, directory):
    return directory / f"{case.kind}-{case.plugins}-{case.chat}"


def per_delivery(case, few, many, directory, prepare=None, settings=None):
    """By the slope: what starting costs falls out."""
    base = where(case, directory)
    return (deliveries(case, many, base / "many", prepare, settings) -
            deliveries(case, few, base / "few", prepare, settings)) / (many - few)


def of_functions(case, few, many, directory, parts):
    """What per_delivery() has counted, of some functions and all below them:
    parts has names of functions for a name of the whole."""
    profiles = []
    for name in ("few", "many"):
        [path] = (where(case, directory) / name / "out").iterdir()
        profiles.append(callgrind.Profile(path))

    def cost(profile, names):
        found = [function for function in profile.own if function[0] in names]
        if len(found) != len(names):
            raise RuntimeError(f"{path} has {found} only of {names}")
        return sum(map(profile.total, found))
    return {what: (cost(profiles[1], names) - cost(profiles[0], names)) / (many - few)
            for what, names in parts.items()}


def delivery_rows(options, directory):
    few, many = (number * common.USERS for number in ((3, 8) if options.quick else (5, 30)))
    cost = {case: per_delivery(case, few, many, directory) for case in common.CASES}
    for ours, plain, target in common.DELIVERIES:
        yield common.Row(f"instructions per delivery: {ours.name}",
                         f"{cost[plain] / 1000:,.0f} k", f"{cost[ours] / 1000:,.0f} k",
                         f"{cost[ours] / cost[plain]:.4f}", target)


def session(dovecot):
    with dovecot.imap(common.ORDINARY.users[0]) as imap:
        imap.ok("CAPABILITY")
        imap.ok("SELECT INBOX")
        imap.ok("LOGOUT")


def logins(plugins, rounds, directory, more=""):
    """The instructions of each imap process, from its start to its end."""
    with counted("imap", plugins, directory, more) as (dovecot, out):
        done = len(dovecot.options.users)
        wait_until(lambda: len(totals(out)) == done, "the first sessions have ended")
        for number in range(rounds):
            session(dovecot)
            wanted = done + number + 1
            wait_until(lambda: len(totals(out)) == wanted, "imap has ended")
    return totals(out)[done:]


def login_rows(options, directory):
    rounds = 3 if options.quick else 7
    plain, ours, stock = (
        common.median(logins(plugins, rounds, directory / name, more))
        for name, plugins, more in (("imap-plain", False, ""), ("imap-ours", True, ""),
                                    ("imap-stock", False, common.stock_plugin())))
    yield common.Row("instructions of imap: login, CAPABILITY, SELECT, logout",
                     f"{plain / 1000:,.0f} k", f"{ours / 1000:,.0f} k",
                     f"{ours / plain:.4f}", "<= 1.03")
    yield common.Row("the same, with Dovecot's notify plugin for ours",
                     f"{plain / 1000:,.0f} k", f"{stock / 1000:,.0f} k",
                     f"{stock / plain:.4f}")


def rows(options, directory):
    yield from delivery_rows(options, directory)
    yield from login_rows(options, directory)


def profile(case, options, directory):
    """Lines: what one delivery spends in our functions and below them. The
    process is one that has made many, so its start is in the figures."""
    number = common.USERS * (8 if options.quick else 30)
    deliveries(case, number, directory)
    [path] = (directory / "out").iterdir()
    costs = callgrind.Profile(path)
    ours = [function for function in costs.own if "coi_plugin.so" in function[1]]
    yield f"{case.name}: instructions per delivery, own and with what it calls"
    for function in sorted(ours, key=costs.total, reverse=True):
        own, total = costs.own[function] / number, costs.total(function) / number
        yield f"{own:9,.0f} {total:9,.0f}  {function[0]}"
        for callee, cost in costs.calls[function].most_common():
            if cost >= PROFILE_MIN * number:
                yield f"{'':19} {cost / number:9,.0f}  {callee[0]} [{callee[1]}]"
