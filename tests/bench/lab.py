"""What every benchmark needs: a network, programs in it, what they cost, tables."""

import datetime
import os
import re
import signal
import socket
import subprocess
import sys
import time

OPTOUT = os.environ["OPTOUT"]
DIR = "/run/bench"
SERVER_CORE, CLIENT_CORE = "1", "0"


# ---------------------------------------------------------------- the network

def sh(command, **more):
    return subprocess.run(command, shell=True, check=True, text=True, **more)


def make_network():
    """client 192.0.2.10 - router - internet 198.51.100.1, as in the lab."""
    sh("mount -n -t tmpfs bench /run && mkdir -p /run/netns " + DIR)
    for name in ("client", "router", "internet"):
        sh(f"ip netns add {name} && ip -n {name} link set lo up")
    sh("""ip link add eth0 netns client type veth peer name lan0 netns router
        ip link add wan0 netns router type veth peer name eth0 netns internet
        ip -n client addr add 192.0.2.10/24 dev eth0
        ip -n client addr add 2001:db8:1::10/64 dev eth0 nodad
        ip -n router addr add 192.0.2.1/24 dev lan0
        ip -n router addr add 2001:db8:1::1/64 dev lan0 nodad
        ip -n router addr add 198.51.100.2/24 dev wan0
        ip -n router addr add 2001:db8:2::2/64 dev wan0 nodad
        ip -n internet addr add 198.51.100.1/24 dev eth0
        ip -n internet addr add 2001:db8:2::1/64 dev eth0 nodad
        for at in client:eth0 router:lan0 router:wan0 internet:eth0; do
            ip -n ${at%:*} link set ${at#*:} up
        done
        ip -n client route add default via 192.0.2.1
        ip -n client route add default via 2001:db8:1::1
        ip -n router route add default via 198.51.100.1
        ip -n router route add default via 2001:db8:2::1
        ip -n internet route add 192.0.2.0/24 via 198.51.100.2
        ip -n internet route add 2001:db8:1::/64 via 2001:db8:2::2
        ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward
            echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'""")


def start(node, command, core=None, wrap=(), **more):
    """Starts a program; `wrap` is what starts it in turn. The pid is the program's own."""
    pinned = ["taskset", "-c", core] if core else []
    with open(f"{DIR}/{os.path.basename(command[0])}.log", "ab") as log:
        return subprocess.Popen([*wrap, "ip", "netns", "exec", node, *pinned, *command],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)


def stop(process, how=signal.SIGTERM):
    process.send_signal(how)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class NotReady(Exception):
    """A program did not come to answer; says its last words."""


def start_optout(config="", core=None, state=f"{DIR}/state", wrap=(), seconds=20, listen=False):
    """Starts optout on the router and waits until it says that it is ready.

    With `listen` its `notify` is the socket on which it goes on to say how it
    is. Whoever listens must go on reading, or its sender waits.
    """
    with open(f"{DIR}/optout.toml", "w") as file:
        file.write(f"""upstreams = ["198.51.100.1"]
state_dir = "{state}"
run_dir = "{DIR}/run"
control_socket = "{DIR}/run/control.sock"
{config}""")
    os.makedirs(state, exist_ok=True)
    os.makedirs(f"{DIR}/run", exist_ok=True)
    path = f"{DIR}/notify"
    if os.path.exists(path):
        os.unlink(path)
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready.bind(path)
    process = start("router", [OPTOUT, "run", "--config", f"{DIR}/optout.toml"], core, wrap,
                    env={**os.environ, "NOTIFY_SOCKET": path})
    process.notify = ready
    try:
        wait_ready(process, seconds)
    except TimeoutError:
        process.kill()
        process.wait()
        raise NotReady("optout did not become ready: " + last_words("optout")) from None
    finally:
        if not listen:
            ready.close()
    return process


def wait_ready(process, seconds):
    """Until the daemon says READY. TimeoutError when it does not, or has ended."""
    end = time.monotonic() + seconds
    process.notify.settimeout(0.1)
    while time.monotonic() < end and process.poll() is None:
        try:
            if b"READY=1" in process.notify.recv(4096):
                return
        except TimeoutError:
            pass
    raise TimeoutError


def last_words(program):
    """What a program wrote last, for the one line that says why it failed."""
    with open(f"{DIR}/{program}.log", errors="replace") as file:
        return "".join(file.readlines()[-5:])


# ---------------------------------------------------------------- what a process costs

def cpu_seconds(pid):
    """Processor time of all threads, in seconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def switches(pid):
    """Times that a thread went to sleep by itself: each is one wake-up."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as file:
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1])
    return total


def memory_kib(pid, key="VmRSS"):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(rf"^{key}:\s*(\d+)", file.read(), re.M)[1])


def device_packets(node, device):
    with_device = sh(f"ip netns exec {node} cat /proc/net/dev", capture_output=True).stdout
    fields = re.search(rf"^\s*{device}:(.*)", with_device, re.M)[1].split()
    return int(fields[1]) + int(fields[9])


# ---------------------------------------------------------------- saying it

def say(text):
    print(text, file=sys.stderr)


def note(text):
    """A line of the result, beside its tables."""
    print(text, file=TABLES)


def table(head, rows):
    """A row shorter than the head ends with what is said instead of figures."""
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[n]) for row in rows if len(row) == len(head)) for n in range(len(head))]
    for n, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip(), file=TABLES)
        if n == 0:
            print("  ".join("-" * width for width in widths), file=TABLES)


def machine():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"^(?:model name|Model)\s*:\s*(.*)", file.read(), re.M)
    return {"processor": model[1] if model else os.uname().machine, "cores": os.cpu_count(),
            "kernel": os.uname().release, "load": os.getloadavg()[0],
            "date": datetime.date.today().isoformat()}


TABLES = sys.stderr if "--json" in sys.argv else sys.stdout
