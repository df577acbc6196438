"""What is measured of a contestant: bytes a second, connections a second, how long one takes."""

import itertools
import json
import subprocess
import time

from lab import CLIENT_CORE, SERVER_CORE, sh, start, stop

from .contestants import BENCH, Failed, built

SERVER = "198.51.100.1"
# A run has ports of its own, so that it meets no connection that lingers from another.
FIRST_PORT, PORTS, RUNS = 20000, 8, 64
WIDE, TIMES = 16, 2000  # connections at a time; connections one after the other
STREAMS = {"1 up": ["-P", "1"], "4 up": ["-P", "4"], "1 down": ["-P", "1", "-R"], "4 down": ["-P", "4", "-R"]}

ports = itertools.cycle(range(FIRST_PORT, FIRST_PORT + PORTS * RUNS, PORTS))


class Servers:
    """Both servers, far from the client."""

    def __init__(self):
        built("load", f"{BENCH}/load")
        for node in ("client", "router", "internet"):
            sh(f"ip netns exec {node} sysctl -qw 'net.ipv4.ip_local_port_range=1024 19999'")
        start("internet", [f"{BENCH}/load", "serve", SERVER, str(FIRST_PORT), str(PORTS * RUNS)], SERVER_CORE)
        self.iperf = None
        self.restart()

    def restart(self):
        """iperf3 goes on waiting for a client that has left it in the middle."""
        if self.iperf:
            stop(self.iperf)
        self.iperf = start("internet", ["iperf3", "-s"], SERVER_CORE)
        time.sleep(0.3)


def throughput(servers, kind, seconds):
    """Gbit/s, and what the whole machine spent on it."""
    before = busy_seconds()
    try:
        said = client(["iperf3", "-c", SERVER, "-t", str(seconds), "-J", "--connect-timeout", "3000",
                       *STREAMS[kind]], seconds + 15)
        received = json.loads(said)["end"]["sum_received"]
    except (Failed, KeyError, ValueError) as error:
        servers.restart()
        raise Failed(f"iperf3 did not end well: {error}") from None
    if not received["bytes"]:
        raise Failed("no byte came through")
    return {"gbit_s": received["bits_per_second"] / 1e9, "bytes": received["bytes"],
            "cpu_s": busy_seconds() - before, "flows": int(STREAMS[kind][1]) + 1}


def rate(seconds):
    """Connections a second, many at a time."""
    said = load("rate", WIDE, seconds, patience=seconds + 10)
    if not said["done"]:
        raise Failed("no connection came to its end")
    return {**said, "flows": said["done"]}


def latency(times=TIMES):
    """How long one connection takes until its first byte."""
    said = load("one", times, patience=60)
    if said["done"] < times / 2:
        raise Failed(f"{said['failed']} connections failed, {said['done']} did not")
    return {**said, "flows": said["done"]}


def load(kind, *how, patience):
    said = client([f"{BENCH}/load", kind, SERVER, str(next(ports)), str(PORTS), *map(str, how)], patience)
    return json.loads(said)


def client(command, patience):
    try:
        done = subprocess.run(["ip", "netns", "exec", "client", "taskset", "-c", CLIENT_CORE, *command], text=True,
                              capture_output=True, timeout=patience)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0].rsplit('/', 1)[-1]} hung") from None
    if done.returncode and not done.stdout:
        raise Failed(done.stderr.strip() or f"ended with {done.returncode}")
    return done.stdout


def forget_connections():
    """Connections that ended are tracked for minutes; the table must not fill by those of others."""
    sh("ip netns exec router conntrack -F", stderr=subprocess.DEVNULL)


def busy_seconds():
    """Processor time of the whole machine that was not idle: programs, kernel, interrupts (proc_stat(5)).

    Softirqs run on whoever was on the processor, and in threads that no program
    owns, so to count programs would miss what forwarding costs.
    """
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


def others_cores(seconds=0.2):
    """How many cores are busy while we are not."""
    before = busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / seconds


TICKS = 100  # a second, in /proc (USER_HZ)
