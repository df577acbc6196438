"""What a reload costs those who ask meanwhile, and a daemon that may have only 64 MiB."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

from lab import (CLIENT_CORE, DIR, SERVER_CORE, NotReady, last_words, memory_kib, note, start_optout, stop,
                 table, wait_ready)
from rules.names import BENCH, head, prepare
from rules.servers import TAKEN, Asker, latencies, number, start_resolver

RATE = 10_000  # questions a second; three of four are blocked, the others go on to a resolver
STATE = f"{BENCH}/state"  # on a disk, or the limit of memory would count it
LIMIT = 64 << 20


def million(args):
    """A million names are read anew, again and again, under 10,000 questions a second."""
    return reloads(args.names or 1_000_000, args.seconds or 10, args.rounds or 1, None)


def small(args):
    """The same with 500,000 names and 64 MiB for the daemon."""
    return reloads(args.names or 500_000, args.seconds or 10, args.rounds or 1, Limit(LIMIT))


def reloads(count, seconds, rounds, limit):
    place = prepare(count)
    start_resolver()
    result = {"names": count, "rate": RATE, "limit": limit.how if limit else None}
    try:
        runs = [one(place, seconds, limit) for _ in range(rounds)]
        result.update(min(runs, key=lambda run: (run["during"]["lost"], run["during"]["p99_us"])))
    except NotReady as error:
        result["failed"] = [str(error)]
    finally:
        if limit:
            result["limit_peak_kib"], result["limit_hits"] = limit.peak_kib(), limit.hits()
            limit.remove()
    show(result)
    return result


def one(place, seconds, limit):
    """One daemon: questions without reloads, and then with one after the other."""
    shutil.rmtree(STATE, ignore_errors=True)
    todays_list = f"{BENCH}/list"
    shutil.copyfile(f"{place}/names", todays_list)
    config = (f'block_answer = "nxdomain"\n[[lists]]\npath = "{todays_list}"\n'
              'format = "domains"\nsubdomains = true\n')
    begun = time.monotonic()
    optout = start_optout(config, SERVER_CORE, STATE, limit.wrap if limit else (), 240, listen=True)
    started = time.monotonic() - begun
    try:
        first_peak = memory_kib(optout.pid, "VmHWM")
        Asker(TAKEN).check(place)
        quiet(optout, 1)
        before = answers(optout, ask(place, seconds))
        steady = memory_kib(optout.pid)
        forget_peak(optout)
        asking = ask(place, seconds)
        took = reload_until(optout, asking, place, todays_list)
        during = answers(optout, asking)
        check_last(place, len(took))
        return {"start_s": started, "start_peak_kib": first_peak, "steady_kib": steady,
                "peak_kib": memory_kib(optout.pid, "VmHWM"), "reloads": len(took),
                "reload_s": max(took), "before": before, "during": during}
    except (FileNotFoundError, ProcessLookupError, TimeoutError):
        raise NotReady(f"optout {fate(optout)}; it said last: {last_words('optout')}") from None
    finally:
        stop(optout)
        optout.notify.close()


def fate(process):
    code = process.poll()
    if code is None:
        return "hung"
    return "was killed, for want of memory" if code == -signal.SIGKILL else f"ended with {code}"


def reload_until(optout, asking, place, todays_list):
    """Reloads while the questions last, each time with the other list; how long each took."""
    took = []
    quiet(optout, 1)
    while asking.poll() is None:
        new = f"{place}/{'tomorrow' if len(took) % 2 == 0 else 'names'}"
        shutil.copyfile(new, f"{todays_list}.new")
        os.rename(f"{todays_list}.new", todays_list)
        begun = time.monotonic()
        optout.send_signal(signal.SIGHUP)
        wait_ready(optout, 60)
        took.append(time.monotonic() - begun)
        quiet(optout, 1)
    return took


def check_last(place, count):
    """The list of the last reload is in force: each has names that the other has not."""
    here, gone = ("tomorrow", "names") if count % 2 else ("names", "tomorrow")
    asker = Asker(TAKEN)
    if asker.ask(head(f"{place}/{here}", 1)[0]) != "blocked":
        sys.exit(f"after {count} reloads the list read last is not in force")
    if asker.ask(head(f"{place}/{gone}", 1)[0]) != "passed":
        sys.exit(f"after {count} reloads the list before is still in force")


def quiet(optout, seconds):
    """Waits, and reads what the daemon says of itself, which would wait for us otherwise."""
    optout.notify.settimeout(0.1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            optout.notify.recv(4096)
        except TimeoutError:
            pass


def ask(place, seconds):
    """dnsperf under way. What it says goes to a file, for it may be more than a pipe holds."""
    with open(f"{DIR}/dnsperf.out", "w") as out:
        return subprocess.Popen(
            ["ip", "netns", "exec", "client", "taskset", "-c", CLIENT_CORE, "dnsperf", "-s", TAKEN, "-d",
             f"{place}/mixed", "-c", "4", "-q", "20000", "-Q", str(RATE), "-l", str(seconds), "-t", "2", "-v"],
            stdout=out, stderr=subprocess.STDOUT)


def answers(optout, asking):
    while asking.poll() is None:
        quiet(optout, 0.1)
    with open(f"{DIR}/dnsperf.out") as file:
        said = file.read()
    times = latencies(said)
    return {"asked": number(said, r"Queries sent:\s+(\d+)"), "lost": number(said, r"Queries lost:\s+(\d+)"),
            "per_s": number(said, r"Queries per second:\s+([\d.]+)"),
            "failed": sum(int(n) for n in re.findall(r"(?:SERVFAIL|REFUSED) (\d+) \(", said)),
            "p50_us": times[len(times) // 2], "p99_us": times[len(times) * 99 // 100], "most_us": times[-1]}


def forget_peak(process):
    """From here on VmHWM counts anew (proc(5), clear_refs)."""
    with open(f"/proc/{process.pid}/clear_refs", "w") as file:
        file.write("5")


def show(result):
    if "failed" in result:
        note(f"failed: {result['failed'][0]}")
    else:
        def cells(key, unit=1.0, digits=0):
            return [f"{result[when][key] / unit:.{digits}f}" for when in ("before", "during")]
        table(["", "without reloads", f"with {result['reloads']} reloads", "aim"], [
            ["asked", *cells("asked"), ""], ["a second", *cells("per_s"), f"{result['rate']}"],
            ["lost", *cells("lost"), "0"], ["answered with an error", *cells("failed"), "0"],
            ["p50 ms", *cells("p50_us", 1000, 2), ""], ["p99 ms", *cells("p99_us", 1000, 2), ""],
            ["longest ms", *cells("most_us", 1000, 2), ""]])
        mib = {key: result[key] / 1024 for key in ("steady_kib", "peak_kib", "start_peak_kib")}
        aim = 1.5 * mib["steady_kib"] + 16
        note(f"{result['names']} names; start {result['start_s']:.2f} s, longest reload "
            f"{result['reload_s']:.2f} s; resident {mib['steady_kib']:.1f} MiB, peak of the start "
            f"{mib['start_peak_kib']:.1f}, of the reloads {mib['peak_kib']:.1f} (aim ≤ {aim:.1f})")
    if result["limit"]:
        note(f"limit: {result['limit']}; it counted at most "
            f"{(result['limit_peak_kib'] or 0) / 1024:.1f} MiB and was met {result['limit_hits']} times")


class Limit:
    """A limit of memory for one program: a control group, or else what setrlimit can do.

    A control group counts pages of files too, which the kernel drops when it
    needs them. RLIMIT_DATA counts what is private and writable, touched or not.
    """

    def __init__(self, size):
        self.group, self.peak = None, None
        self.how = f"{size >> 20} MiB by RLIMIT_DATA"
        self.wrap = ("prlimit", f"--data={size}")
        for base, key, peak in self.GROUPS:
            group = f"{base}/optout-bench-{time.time_ns()}"
            if self.make(group, key, size):
                self.group, self.peak = group, peak
                self.how = f"{size >> 20} MiB by the control group's {key}"
                self.wrap = ("sh", "-c", f'echo 0 > {group}/cgroup.procs && exec "$@"', "sh")
                return

    GROUPS = [("/sys/fs/cgroup", "memory.max", "memory.peak"),  # version 2
              ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes")]

    @staticmethod
    def make(group, key, size):
        try:
            os.mkdir(group)
        except OSError:
            return False
        try:
            with open(f"{group}/{key}", "r+") as file:  # never made: this may be no control group
                file.write(str(size))
            return True
        except OSError:
            os.rmdir(group)
            return False

    def read(self, key):
        try:
            with open(f"{self.group}/{key}") as file:
                return file.read()
        except OSError:
            return ""

    def peak_kib(self):
        return int(self.read(self.peak) or 0) >> 10 if self.group and self.peak else None

    def hits(self):
        """How often the limit was met and something had to go."""
        events = re.search(r"^max (\d+)", self.read("memory.events"), re.M)
        return int(events[1] if events else self.read("memory.failcnt") or 0) if self.group else None

    def remove(self):
        if self.group:
            os.rmdir(self.group)
