"""Who moves the client's connections: the kernel alone, optout, and its peers.

Each is alone on the router while it is measured. A contestant is a context: inside
it all connections of the client go through it, and what it yields counts the
packets that came to userspace, or is `None` where there are none to count.
"""

import contextlib
import json
import os
import re
import subprocess
import time

from lab import DIR, OPTOUT, NotReady, last_words, say, sh, start, start_optout, stop

BENCH = os.environ["BENCH"]  # where what is made and built is kept between runs
TABLE = 5399  # of routes to a peer's TUN
REDIRECTED = 7777  # where the proxy behind the redirect listens
SOCKS = 1080


class Failed(Exception):
    """A figure that is an error, and why."""


def built(name, program):
    """The program, or Failed with what its compiler said."""
    if not os.path.exists(program):
        try:
            with open(f"{BENCH}/{name}.why") as file:
                raise Failed(f"not measured: {file.read().strip()}")
        except FileNotFoundError:
            raise Failed(f"not measured: {program} was not built") from None
    return program


@contextlib.contextmanager
def running(*command):
    """A program on the router that must not end by itself, and says nothing but errors."""
    log = f"{DIR}/{os.path.basename(command[0])}.log"
    with open(log, "w"):
        pass  # what it said in a run before
    process = start("router", [*command])
    try:
        yield process
    finally:
        if process.poll() is not None:
            with open(log, errors="replace") as file:
                why = re.sub(r"\x1b\[\d*m", "", file.readline()).strip()
            raise Failed(f"ended with {process.returncode}: {why or 'it said nothing'}")
        stop(process)


@contextlib.contextmanager
def plain():
    yield None


# ---------------------------------------------------------------- optout

@contextlib.contextmanager
def optout(*wrap):
    """The daemon with full capture."""
    try:
        process = start_optout('capture = "full"\n', wrap=wrap)
    except NotReady:
        raise Failed(f"did not become ready: {last_word('optout')}") from None
    try:
        # Packets that it took out of the TUN and put back on their way.
        yield lambda: status()["flows"]["put_back"]
        if process.poll() is not None:
            raise Failed(f"ended with {process.returncode}: {last_word('optout')}")
        counted = status()
        say(f"optout: { {key: value for key, value in counted['flows'].items() if value} }")
        if not counted["flows"]["put_back"]:
            raise Failed(f"it looks into no flow: {'; '.join(counted['problems']) or 'and says not why'}")
    finally:
        stop(process)


def optout_alone():
    """The same where the kernel has no nftables (no_nft.c): all that clients send passes the TUN."""
    return optout(built("no_nft", f"{BENCH}/no_nft"))


def last_word(program):
    return (last_words(program).strip() or "it said nothing").splitlines()[-1]


def status():
    return json.loads(subprocess.run([OPTOUT, "--socket", f"{DIR}/run/control.sock", "status", "--json"],
                                     check=True, text=True, capture_output=True).stdout)


# ---------------------------------------------------------------- peers

REDIRECT = f"""
table ip hop {{
    chain in {{ type nat hook prerouting priority -100;
        iifname lan0 tcp dport != {REDIRECTED} counter redirect to :{REDIRECTED}
    }}
}}
"""


@contextlib.contextmanager
def redirect():
    """A redirect by nftables, and a proxy that splices (splice.c)."""
    program = built("splice", f"{BENCH}/splice")
    with running(program, str(REDIRECTED), str(os.cpu_count())) as process:
        wait_for("its port", process, lambda: listens(REDIRECTED))
        sh("ip netns exec router nft -f -", input=REDIRECT)
        try:
            yield None
            if re.search(r"counter packets 0 ", nft("list table ip hop")):
                raise Failed("nothing was redirected")
        finally:
            nft("delete table ip hop")


def nft(command):
    return sh(f"ip netns exec router nft {command}", capture_output=True).stdout


def sing_box(stack, **tun):
    """Its TUN with one of its stacks; it sniffs, as we do, and dials directly.

    Its stack `mixed` does with TCP what `system` does. With `auto_redirect` TCP does
    not come to the TUN: nftables leads it to a socket.
    """
    @contextlib.contextmanager
    def contestant():
        program = built("sing-box", f"{BENCH}/sing-box")
        with open(f"{DIR}/sing-box.json", "w") as file:
            json.dump({
                "log": {"level": "error"},
                "inbounds": [{"type": "tun", "interface_name": "box0", "address": ["203.0.113.1/30"],
                              "stack": stack, "auto_route": False, **tun}],
                "outbounds": [{"type": "direct"}],
                "route": {"rules": [{"action": "sniff"}], "auto_detect_interface": bool(tun)}}, file)
        with running(program, "run", "-c", f"{DIR}/sing-box.json", "-D", DIR) as process:
            if not tun:
                with through("box0", process) as packets:
                    yield packets
            else:
                wait_for("its table", process, lambda: "redirect" in nft("list ruleset"))
                yield None
    return contestant


@contextlib.contextmanager
def tun2proxy():
    """A TUN that ends TCP and speaks SOCKS to a proxy on the same machine, for it can do no other."""
    program = built("tun2proxy", f"{BENCH}/tun2proxy")
    with (running("microsocks", "-i", "127.0.0.1", "-p", str(SOCKS)) as proxy,
          # Out of the box it takes 200 connections and tells clients no MSS.
          running(program, "--tun", "t2p0", "--proxy", f"socks5://127.0.0.1:{SOCKS}", "--dns", "direct",
                  "--max-sessions", "65535", "--tcp-mss", "1460", "--verbosity", "error") as process,
          through("t2p0", process) as packets):
        wait_for("the port of SOCKS", proxy, lambda: listens(SOCKS))
        yield packets


def reflector(*offload):
    """A TUN whose packets go back as they came (reflect.c): what a program can reach at best."""
    @contextlib.contextmanager
    def contestant():
        program = built("reflect", f"{BENCH}/reflect")
        with running(program, "back0", *offload) as process, through("back0", process) as packets:
            yield packets
    return contestant


@contextlib.contextmanager
def through(device, process):
    """Leads what the client sends into a TUN; answers of servers do not pass it unless it ends TCP."""
    wait_for(device, process, lambda: exists(device))
    sh(f"""ip -n router link set {device} up
        ip -n router route add default dev {device} table {TABLE}
        ip -n router rule add iif lan0 lookup {TABLE} priority 100""")
    before = to_userspace(device)
    try:
        yield lambda: to_userspace(device)
        if to_userspace(device) == before:
            raise Failed(f"no packet came to {device}")
    finally:
        subprocess.run(f"ip -n router rule del priority 100; ip -n router route flush table {TABLE}", shell=True,
                       stderr=subprocess.DEVNULL)


def to_userspace(device):
    """Packets that the kernel handed to the program, a segment that is not yet cut as one."""
    said = sh(f"ip -n router -s -j link show {device}", capture_output=True).stdout
    return json.loads(said)[0]["stats64"]["tx"]["packets"]


def exists(device):
    return not subprocess.run(["ip", "-n", "router", "link", "show", device], capture_output=True).returncode


def listens(port):
    return bool(sh(f"ip netns exec router ss -Hltn 'sport = :{port}'", capture_output=True).stdout)


def wait_for(what, process, come):
    end = time.monotonic() + 10
    while not come():
        if time.monotonic() > end or process.poll() is not None:
            raise Failed(f"{what} did not come")
        time.sleep(0.02)


# ---------------------------------------------------------------- versions

def said_by(*command):
    """The first version in what a program says of itself."""
    def ask():
        try:
            said = subprocess.run(command, text=True, capture_output=True)
        except OSError:
            return "?"
        found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
        return found[0] if found else "?"
    return ask


def both(*asks):
    return lambda: " + ".join(ask() for ask in asks)


def of_kernel():
    return os.uname().release.split("-")[0]


# What is measured on a router that masquerades, and on one that only routes and tracks nothing.
PLAIN, ALONE, OFFLOAD, REFLECTOR = "plain", "optout, no nftables", "bare offload reflector", "plain reflector"
MASQUERADING = {
    PLAIN: (of_kernel, plain),
    "optout": (said_by(OPTOUT, "--version"), optout),
    "redirect + splice": (of_kernel, redirect),
    "sing-box auto_redirect": (said_by(f"{BENCH}/sing-box", "version"),
                               sing_box("system", auto_route=True, auto_redirect=True)),
    "sing-box TUN, system": (said_by(f"{BENCH}/sing-box", "version"), sing_box("system")),
    "sing-box TUN, gvisor": (said_by(f"{BENCH}/sing-box", "version"), sing_box("gvisor")),
    "tun2proxy + microsocks": (both(said_by(f"{BENCH}/tun2proxy", "--version"),
                                    said_by("dpkg-query", "-W", "microsocks")), tun2proxy),
}
ROUTING = {
    PLAIN: (of_kernel, plain),
    "optout": (said_by(OPTOUT, "--version"), optout),
    ALONE: (said_by(OPTOUT, "--version"), optout_alone),
    OFFLOAD: (of_kernel, reflector("offload")),
    REFLECTOR: (of_kernel, reflector()),
}
