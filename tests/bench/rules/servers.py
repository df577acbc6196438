"""DNS servers that hold the names: optout's daemon and its peers.

Each is alone on the router, on one core and with one thread, and is asked from the
client. What is not blocked goes on to the same resolver, which has an address for
every name.
"""

import contextlib
import ctypes
import os
import re
import shutil
import socket
import struct
import subprocess
import time

from lab import (CLIENT_CORE, DIR, SERVER_CORE, NotReady, cpu_seconds, last_words, memory_kib, start,
                 start_optout, stop)

from .libraries import Failed, LIBRARIES
from .names import BENCH, head

PASSED = "198.51.100.99"  # what the resolver has for every name
STATE = f"{BENCH}/state"  # on a disk: what is mapped from memory would be counted twice
SAMPLE = 200  # names of each set that are asked one by one
PATIENCE = 240  # seconds until a server is given up


# ---------------------------------------------------------------- asking

@contextlib.contextmanager
def inside(node):
    """Sockets that are opened here are that machine's."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{node}") as there:
        if libc.setns(there.fileno(), 0):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(before.fileno(), 0)


class Asker:
    """Asks one server for addresses, one question at a time."""

    def __init__(self, server):
        with inside("client"):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((server, 53))
        self.id = 0

    def ask(self, name, seconds=2.0):
        """`blocked`, `passed`, or what else was the answer."""
        self.id = (self.id + 1) % 65536
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        question = struct.pack(">6H", self.id, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
        self.socket.settimeout(seconds)
        try:
            self.socket.send(question)
            answer = self.socket.recv(4096)
            while answer[:2] != question[:2]:
                answer = self.socket.recv(4096)
        except TimeoutError:
            return "no answer"
        except OSError as error:
            time.sleep(0.005)  # refused: nobody listens yet
            return error.strerror
        code, records = answer[3] & 15, struct.unpack(">H", answer[6:8])[0]
        if code == 0 and socket.inet_aton(PASSED) in answer:
            return "passed"
        return "blocked" if code == 3 or (code == 0 and records) else f"answer code {code}"

    def wait(self, process, name, log):
        """Until the server blocks this name."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            if self.ask(name, 0.05) == "blocked":
                return
        stop(process)
        raise NotReady(f"does not answer: {last_words(log)}")

    def check(self, place):
        """Blocks what is listed and what is below it, and nothing else."""
        for asked, right in (("hit", "blocked"), ("deep", "blocked"), ("miss", "passed")):
            for name in head(f"{place}/{asked}", SAMPLE):
                said = self.ask(name)
                if said == "no answer":
                    said = self.ask(name)  # UDP on a busy machine may lose one
                if said != right:
                    raise Failed(f"wrong: {said} for {name}, which must be {right}")


# ---------------------------------------------------------------- the servers

def start_resolver():
    """Has an address for every name."""
    with open(f"{DIR}/resolver.conf", "w") as file:
        file.write(UNBOUND.format(dir=DIR, address="198.51.100.1", modules="iterator")
                   + f'    local-zone: "." redirect\n    local-data: ". 60 A {PASSED}"\n')
    return start("internet", ["unbound", "-d", "-c", f"{DIR}/resolver.conf"])


UNBOUND = """server:
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "{dir}"
    pidfile: ""
    use-syslog: no
    interface: {address}
    access-control: 0.0.0.0/0 allow
    num-threads: 1
    module-config: "{modules}"
    so-rcvbuf: 1m
"""
FORWARD = 'forward-zone:\n    name: "."\n    forward-addr: 198.51.100.1\n'


def written(place, name, text):
    """A file beside the names, written once: `text` yields its parts."""
    path = f"{place}/{name}"
    if not os.path.exists(path):
        with open(f"{path}.new", "w") as file:
            for part in text():
                file.write(part)
        os.rename(f"{path}.new", path)
    return path


def listed(place, *lines):
    """These lines for each name; `%` stands for it."""
    with open(f"{place}/names") as file:
        for name in file:
            for line in lines:
                yield line.replace("%", name.rstrip("\n"))


def dnsmasq(place):
    rules = written(place, "dnsmasq.rules", lambda: listed(place, "local=/%/\n"))
    with open(f"{DIR}/dnsmasq.conf", "w") as file:
        file.write("no-resolv\nno-hosts\nbind-interfaces\nlisten-address=192.0.2.1\nuser=root\n"
                   f"pid-file\nserver=198.51.100.1\nconf-file={rules}\n")
    return start("router", ["dnsmasq", "-k", "-C", f"{DIR}/dnsmasq.conf"], SERVER_CORE)


def unbound_zones(place):
    zones = written(place, "unbound.zones", lambda: listed(place, 'local-zone: "%." always_nxdomain\n'))
    return unbound("iterator", f'    include: "{zones}"\n{FORWARD}')


def unbound_rpz(place):
    return unbound("respip iterator",
                   f'{FORWARD}rpz:\n    name: "rpz.test."\n    zonefile: "{rpz_zone(place)}"\n')


def unbound(modules, rules):
    with open(f"{DIR}/unbound.conf", "w") as file:
        file.write(UNBOUND.format(dir=DIR, address="192.0.2.1", modules=modules) + rules)
    return start("router", ["unbound", "-d", "-c", f"{DIR}/unbound.conf"], SERVER_CORE)


def rpz_zone(place):
    def text():
        yield ("$ORIGIN rpz.test.\n$TTL 60\n@ SOA localhost. root.localhost. 1 3600 600 86400 60\n"
               "@ NS localhost.\n")
        yield from listed(place, "% CNAME .\n*.% CNAME .\n")
    return written(place, "rpz.zone", text)


def dnsdist(place):
    with open(f"{DIR}/dnsdist.conf", "w") as file:
        file.write(f"""setLocal("192.0.2.1:53")
setACL("0.0.0.0/0")
setSecurityPollSuffix("")
newServer("198.51.100.1")
names = newSuffixMatchNode()
for name in io.lines("{place}/names") do names:add(newDNSName(name)) end
addAction(SuffixMatchNodeRule(names), RCodeAction(DNSRCode.NXDOMAIN))
""")
    return start("router", ["dnsdist", "--supervised", "-C", f"{DIR}/dnsdist.conf"], SERVER_CORE)


def recursor(place):
    with open(f"{DIR}/recursor.lua", "w") as file:
        file.write(f'rpzFile("{rpz_zone(place)}", {{policyName="rpz"}})\n')
    return start("router", [
        "pdns_recursor", "--daemon=no", f"--config-dir={DIR}", f"--socket-dir={DIR}", "--threads=1",
        "--local-address=192.0.2.1", "--allow-from=0.0.0.0/0", "--forward-zones-recurse=.=198.51.100.1",
        "--dont-query=", "--dnssec=off", "--security-poll-suffix=", "--disable-syslog",
        f"--lua-config-file={DIR}/recursor.lua"], SERVER_CORE)


def optout(answer, keep):
    """The daemon. Without `keep` it has no state, so it reads the list's text."""
    def start_it(place):
        if not keep:
            shutil.rmtree(STATE, ignore_errors=True)
        config = (f'block_answer = "{answer}"\n[[lists]]\npath = "{place}/names"\n'
                  'format = "domains"\nsubdomains = true\n')
        return start_optout(config, SERVER_CORE, STATE, seconds=PATIENCE)
    return start_it


# ---------------------------------------------------------------- measuring one

def measure(server, place, count, seconds):
    """One start of one server, with all that is asked of it; with no seconds only the start."""
    _, begin, address, log = server
    asker = Asker(address)
    begun = time.monotonic()
    process = begin(place)
    try:
        # Not the first name: nothing may hold it beforehand.
        asker.wait(process, head(f"{place}/hit", 1)[0], log)
        ready = time.monotonic() - begun
        asker.check(place)
        return {"load_s": ready, **(load(process, address, place, seconds) if seconds else {}),
                **memory(process, count)}
    except NotReady as error:
        raise Failed(str(error)) from None
    finally:
        stop(process)


def load(process, server, place, seconds):
    """As many questions as it can answer; then one after the other."""
    questions, many = f"{place}/dnsperf", ["-c", "4", "-q", "100", "-l"]
    dnsperf(server, questions, [*many, "1"])
    before = cpu_seconds(process.pid)
    said = dnsperf(server, questions, [*many, str(seconds)])
    used = cpu_seconds(process.pid) - before
    completed = number(said, r"Queries completed:\s+(\d+)")
    times = latencies(dnsperf(server, questions, ["-c", "1", "-q", "1", "-l", "1", "-v"]))
    return {"qps": number(said, r"Queries per second:\s+([\d.]+)"), "us_per_query": used * 1e6 / completed,
            "lost": number(said, r"Queries lost:\s+(\d+)"),
            "p50_us": times[len(times) // 2], "p99_us": times[len(times) * 99 // 100]}


def memory(process, count):
    rss = memory_kib(process.pid)
    return {"memory_kib": rss, "anon_kib": memory_kib(process.pid, "RssAnon"), "bytes": rss * 1024 / count,
            "peak_kib": memory_kib(process.pid, "VmHWM")}


def dnsperf(server, questions, how):
    command = ["ip", "netns", "exec", "client", "taskset", "-c", CLIENT_CORE, "dnsperf", "-s", server,
               "-d", questions, "-t", "2", *how]
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout


def number(said, pattern):
    return float(re.search(pattern, said)[1])


def latencies(said):
    """In µs, sorted, of each answer that `dnsperf -v` tells of; 0 twice when there is none."""
    return sorted(float(took) * 1e6 for took in re.findall(r"^> \S+ \S+ \S+ ([\d.]+)", said, re.M)) or [0]


def version(*command):
    """The first version in what a program says of itself."""
    def ask():
        said = subprocess.run(command, text=True, capture_output=True)
        return re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)[0]
    return ask


TAKEN = "203.0.113.88"  # a resolver beyond the router: the question is taken on its way, into the TUN
SERVERS = {
    "optout, from text": (LIBRARIES["optout"][0], optout("nxdomain", False), TAKEN, "optout"),
    "optout": (LIBRARIES["optout"][0], optout("nxdomain", True), TAKEN, "optout"),
    "optout, sinkhole": (LIBRARIES["optout"][0], optout("sinkhole", True), TAKEN, "optout"),
    "dnsmasq local=": (version("dnsmasq", "--version"), dnsmasq, "192.0.2.1", "dnsmasq"),
    "unbound local-zone": (version("unbound", "-V"), unbound_zones, "192.0.2.1", "unbound"),
    "unbound RPZ": (version("unbound", "-V"), unbound_rpz, "192.0.2.1", "unbound"),
    "dnsdist": (version("dnsdist", "--version"), dnsdist, "192.0.2.1", "dnsdist"),
    "pdns-recursor RPZ": (version("pdns_recursor", "--version"), recursor, "192.0.2.1", "pdns_recursor"),
}
