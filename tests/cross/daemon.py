#!/usr/bin/env python3
"""The whole daemon, as another machine would run it: tests/cross/daemon.py NAME WAY PROGRAM...

PROGRAM... is how optout is started: a static program, behind qemu-user where it is for
another processor. WAY is one of those at the end. To be run in namespaces of its own
(world.py). The last line says how many checks passed and failed.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from markless import filter_calls
from world import PAGE, RESOLVER, ZONE, World, ip, open_tun

BLOCKED = "open.oneplus.net"  # the catalogue says so
PATIENCE = 60  # seconds, for a processor that is played by another one
SINKHOLES = {4: "198.18.", 6: "fd6f:7074:6f75:7400:"}
REFUSAL = 2  # seconds; who is not refused waits for minutes


class Run:
    """One daemon that runs, and what it is asked."""

    def __init__(self, program, extra=(), fds=(), begin=None):
        self.program = program
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.socket = self.folder / "control.sock"
        self.config = self.folder / "optout.toml"
        self.config.write_text(f"""
            upstreams = ["{RESOLVER[4]}", "{RESOLVER[6]}"]
            control_socket = "{self.socket}"
            state_dir = "{self.folder}/state"
            run_dir = "{self.folder}/run"
            [journal]
            flush_seconds = 1
            """)
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(
            [*program, "run", "--config", str(self.config), *extra],
            stdout=self.log, stderr=subprocess.STDOUT, pass_fds=fds, preexec_fn=begin)
        wait_for("the daemon answers", self._answers)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}: {self.said()}")
        return self.socket.exists() and self.try_tell("status").returncode == 0

    def try_tell(self, *words):
        command = [*self.program, "--socket", str(self.socket), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    def tell(self, *words):
        done = self.try_tell(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def said(self):
        self.log.flush()
        return (self.folder / "log").read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def dig(name, server, family=4, *options):
    """The addresses that the server gives for the name."""
    kind = "A" if family == 4 else "AAAA"
    done = subprocess.run(
        ["dig", "+short", "+tries=2", "+time=5", *options, f"@{server}", name, kind],
        capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{name} of {server}: {done.stdout}"
    return done.stdout.split()


def refused(address):
    """Whether a connection to the address is refused, and not left to wait."""
    try:
        socket.create_connection((address, 443), timeout=REFUSAL).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def wait_for(what, is_so):
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, f"in {PATIENCE} s it was never so: {what}"
        time.sleep(0.1)


def what_passes(servers, world):
    for family, server in servers.items():
        for options in [(), ("+tcp",)]:
            found = dig("passed.example", server, family, *options)
            assert found == [ZONE["passed.example"][family]], f"{server} {options}: {found}"
    assert "passed.example" in world.asked


def what_is_blocked(servers, world, name=BLOCKED):
    for family, server in servers.items():
        for options in [(), ("+tcp",)]:
            found = dig(name, server, family, *options)
            assert len(found) == 1 and found[0].startswith(SINKHOLES[family]), f"{server}: {found}"
            assert refused(found[0]), f"nobody refuses {found[0]}"
    assert name not in world.asked, "the question went out"


def page_comes(_servers, _world):
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "10", f"http://{ZONE['passed.example'][4]}/"],
        capture_output=True, timeout=PATIENCE)
    assert done.stdout == PAGE, done.stderr


def questions(run):
    status = json.loads(run.tell("status", "--json"))
    assert status["state"] == "on", status
    assert status["counters"]["blocked"] >= 4 and status["counters"]["passed"] >= 4, status["counters"]
    wait_for("the journal has it", lambda: BLOCKED in run.tell("log", "--json"))
    rows = [json.loads(line) for line in run.tell("log", "--json").splitlines()]
    of_name = [row for row in rows if row.get("host") == BLOCKED]
    assert of_name and all(row["outcome"] == "blocked" for row in of_name), rows
    told = json.loads(run.tell("explain", "--json", BLOCKED))
    assert "blocked" in json.dumps(told), told
    return status["problems"]


def of_the_user(run, servers, world):
    assert dig("mine.example", servers[4]) == [ZONE["mine.example"][4]]
    run.tell("block", "mine.example")
    world.asked.clear()
    what_is_blocked(servers, world, "mine.example")
    run.tell("allow", BLOCKED)
    assert dig(BLOCKED, servers[4]) == [ZONE[BLOCKED][4]]


def ends(run, before):
    assert run.stop() == 0, run.said()
    assert not run.socket.exists(), "the control socket is still there"
    after = kernel()
    assert after == before, f"left behind:\n{after}\ninstead of\n{before}"


def kernel():
    """What the kernel has of links, rules and routes, each in its order."""
    words = [["-o", "link"], ["rule"], ["-6", "rule"],
             ["route", "show", "table", "all"], ["-6", "route", "show", "table", "all"]]
    lines = "\n".join(ip(*each) for each in words).splitlines()
    # The kernel adds link-local ones by itself, some time after a device came up.
    return "\n".join(sorted(line for line in lines if "fe80::" not in line and "multicast" not in line))


def checks(run, servers, world, before):
    """What is so in every way to run it."""
    yield "a name that passes has its own address", lambda: what_passes(servers, world)
    yield "a blocked name is answered and its address refuses", lambda: what_is_blocked(servers, world)
    yield "a page comes as it was", lambda: page_comes(servers, world)
    yield "status, log and explain answer", lambda: questions(run)
    yield "the user's own rules hold", lambda: of_the_user(run, servers, world)
    yield "it stops and leaves nothing", lambda: ends(run, before)


def with_its_own_tun(marks):
    """`optout run`, as on a router: it makes the device, the routes and the rules. Where
    sockets take no `marks` it says so, and rules know its sockets by their user."""
    def way(program):
        world = World()
        before = kernel()
        run = Run(program, begin=None if marks else filter_calls)
        yield "what cannot be had here is said", lambda: says_what_is_missing(run, marks)
        yield from checks(run, RESOLVER, world, before)
    return way


def without_rules(program):
    """`optout run` where no rules can be had, as qemu-user has none: it says what to do instead."""
    World()
    before = kernel()

    def refuses():
        try:
            run = Run(program)
        except AssertionError as error:
            assert "ended with 1" in str(error) and "--tun-fd" in str(error), error
        else:
            raise AssertionError(run.tell("status"))

    def leaves_nothing():
        assert kernel() == before

    yield "it says that there are no rules, and what to do", refuses
    yield "it leaves nothing", leaves_nothing


def says_what_is_missing(run, marks):
    problems = "\n".join(json.loads(run.tell("status", "--json"))["problems"])
    assert ("SO_MARK" in problems) != marks, problems
    assert ("uidrange" in ip("rule")) != marks, ip("rule")


def with_a_tun_handed_over(option):
    """`optout run --tun-fd` or `--tun-socket`: somebody else made the device and the routes."""
    def way(program):
        world = World()
        tun = open_tun("app0")
        before = kernel()
        if option == "--tun-fd":
            run = Run(program, [option, str(tun), "--protect", "none"], [tun])
        else:
            path = tempfile.mkdtemp() + "/tun.sock"
            with socket.socket(socket.AF_UNIX) as door:
                door.bind(path)
                door.listen()
                run = Handed(program, [option, path, "--protect", "user:5300"], door, tun)
        servers = {4: "198.18.0.53", 6: "fd6f:7074:6f75:7400::35"}
        yield from checks(run, servers, world, before)
    return way


class Handed(Run):
    """One that is handed its TUN over a socket."""

    def __init__(self, program, extra, door, tun):
        self.door, self.tun = door, tun
        super().__init__(program, extra)

    def _answers(self):
        if self.door:
            self.door.settimeout(PATIENCE)
            with self.door.accept()[0] as connection:
                socket.send_fds(connection, [b"\0"], [self.tun])
            self.door = None
        return super()._answers()


WAYS = {
    "own": with_its_own_tun(marks=True),
    "markless": with_its_own_tun(marks=False),
    "ruleless": without_rules,
    "tun-fd": with_a_tun_handed_over("--tun-fd"),
    "tun-socket": with_a_tun_handed_over("--tun-socket"),
}


def main():
    name, way, *program = sys.argv[1:]
    passed = failed = 0
    label = f"{name}, {way}"
    try:
        for what, check in WAYS[way](program):
            try:
                check()
                passed += 1
                print(f"ok      {label}: {what}", flush=True)
            except Exception:  # whatever it is, it is told, and the rest is tried
                failed += 1
                print(f"FAILED  {label}: {what}\n{traceback.format_exc()}", flush=True)
    except Exception:
        failed += 1
        print(f"FAILED  {label}: it did not begin\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(failed > 0)


main()
