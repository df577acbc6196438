"""The measurements behind tests/bench/run. Runs inside private namespaces.

Every comparison is interleaved: each round measures every contestant once, in
turns, so that a machine that slows down slows all of them. What counts is the
ratio within a round; single figures are good to a third at best.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time

import flows
import reload
import rules
from lab import (CLIENT_CORE, DIR, SERVER_CORE, NotReady, cpu_seconds, device_packets, machine, make_network,
                 memory_kib, say, sh, start, start_optout, stop, switches, table)


# ---------------------------------------------------------------- idle

def idle(args):
    optout = start_optout()
    time.sleep(5)  # what a start leaves behind is written by then
    before = switches(optout.pid), cpu_seconds(optout.pid)
    time.sleep(args.seconds or 60)
    seconds = args.seconds or 60
    result = {
        "rss_kib": memory_kib(optout.pid),
        "peak_kib": memory_kib(optout.pid, "VmHWM"),
        "threads": len(os.listdir(f"/proc/{optout.pid}/task")),
        "wakeups_per_s": round((switches(optout.pid) - before[0]) / seconds, 3),
        "cpu_ms_per_min": round((cpu_seconds(optout.pid) - before[1]) * 60000 / seconds, 3),
        "seconds": seconds,
    }
    stop(optout)
    table(["", "measured", "aim"], [
        ["memory (RSS)", f"{result['rss_kib'] / 1024:.1f} MiB", "≤ 12 MiB"],
        ["highest memory", f"{result['peak_kib'] / 1024:.1f} MiB", ""],
        ["wake-ups", f"{result['wakeups_per_s']} /s", "≤ 0.2 /s"],
        ["processor", f"{result['cpu_ms_per_min']} ms/min", ""],
        ["threads", result["threads"], ""],
    ])
    return result


# ---------------------------------------------------------------- dns

def dns(args):
    names = [f"n{n}.blocked{n % 97}.example" for n in range(NAMES)]
    write_dns_configs(names)
    contestants = {"optout": dns_optout, "unbound": dns_unbound, "dnsmasq": dns_dnsmasq}
    runs = {name: [] for name in contestants}
    for round_ in range(args.rounds or 5):
        order = list(contestants)
        for name in order[round_ % 3:] + order[:round_ % 3]:
            runs[name].append(contestants[name](args.seconds or 3))
            say(f"round {round_ + 1}: {name}: {runs[name][-1]['qps']:.0f}/s")
    result = {name: {key: statistics.median(run[key] for run in rows) for key in rows[0]}
              for name, rows in runs.items()}
    result["ratios"] = {}
    for peer, aim in (("dnsmasq", 2.0), ("unbound", 1.2)):
        pairs = list(zip(runs["optout"], runs[peer]))
        result["ratios"][f"qps_to_{peer}"] = {
            "median": round(statistics.median(a["qps"] / b["qps"] for a, b in pairs), 2),
            "least": round(min(a["qps"] / b["qps"] for a, b in pairs), 2),
            "most": round(max(a["qps"] / b["qps"] for a, b in pairs), 2), "aim": aim}
        result["ratios"][f"cpu_to_{peer}"] = {
            "median": round(statistics.median(a["us_per_query"] / b["us_per_query"]
                                              for a, b in pairs), 2)}
    rows = []
    for name in contestants:
        r = result[name]
        ratio = result["ratios"].get(f"qps_to_{name}")
        rows.append([name, f"{r['qps']:.0f}", f"{r['us_per_query']:.2f}", f"{r['latency_us']:.0f}",
                     f"{r['lost']:.0f}", f"{r['rss_kib'] / 1024:.1f}",
                     f"{ratio['median']} ({ratio['least']} to {ratio['most']})" if ratio else "",
                     f"≥ {ratio['aim']}" if ratio else ""])
    table(["server", "queries/s", "CPU µs/query", "latency µs", "lost", "MiB", "optout ÷ it", "aim"],
          rows)
    return result


def write_dns_configs(names):
    random.seed(1)
    with open(f"{DIR}/queries", "w") as file:
        file.writelines(f"{random.choice(names)} A\n" for _ in range(200_000))
    with open(f"{DIR}/hosts", "w") as file:
        file.writelines(f"0.0.0.0 {name}\n" for name in names)
    with open(f"{DIR}/dnsmasq.conf", "w") as file:
        file.write("no-resolv\nno-hosts\nbind-interfaces\nlisten-address=192.0.2.1\nuser=root\n"
                   "pid-file\nlocal-ttl=10\n")
        file.writelines(f"address=/{name}/198.18.1.1\n" for name in names)
    with open(f"{DIR}/unbound.conf", "w") as file:
        file.write(f"""server:
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "{DIR}"
    pidfile: ""
    use-syslog: no
    interface: 192.0.2.1
    access-control: 0.0.0.0/0 allow
    num-threads: 1
    module-config: "iterator"
    so-rcvbuf: 1m
""")
        for name in names:
            file.write(f'    local-zone: "{name}." redirect\n'
                       f'    local-data: "{name}. 10 A 198.18.1.1"\n')


def dns_optout(seconds):
    config = f'[[lists]]\npath = "{DIR}/hosts"\nformat = "hosts"\n'
    # A resolver beyond the router: the question is taken on its way, into the TUN.
    return load(start_optout(config, SERVER_CORE), "203.0.113.88", seconds)


def dns_unbound(seconds):
    return load(start("router", ["unbound", "-d", "-c", f"{DIR}/unbound.conf"], SERVER_CORE),
                "192.0.2.1", seconds)


def dns_dnsmasq(seconds):
    return load(start("router", ["dnsmasq", "-k", "-C", f"{DIR}/dnsmasq.conf"], SERVER_CORE),
                "192.0.2.1", seconds)


def load(process, server, seconds):
    """One run of dnsperf from the client, after a short one that warms up."""
    def dnsperf(seconds):
        command = ["ip", "netns", "exec", "client", "taskset", "-c", CLIENT_CORE, "dnsperf", "-s",
                   server, "-d", f"{DIR}/queries", "-c", "4", "-q", "100", "-l", str(seconds),
                   "-t", "2"]
        return subprocess.run(command, check=True, text=True, capture_output=True).stdout
    wait_for_answer(process, server)
    dnsperf(1)
    before = cpu_seconds(process.pid)
    said = dnsperf(seconds)
    used = cpu_seconds(process.pid) - before
    rss = memory_kib(process.pid)
    stop(process)
    number = lambda pattern: float(re.search(pattern, said)[1])
    completed = number(r"Queries completed:\s+(\d+)")
    if "NOERROR" not in said:
        sys.exit(f"{server} did not answer with addresses:\n{said}")
    return {"qps": number(r"Queries per second:\s+([\d.]+)"), "us_per_query": used * 1e6 / completed,
            "latency_us": number(r"Average Latency \(s\):\s+([\d.]+)") * 1e6,
            "lost": number(r"Queries lost:\s+(\d+)"), "rss_kib": rss}


def wait_for_answer(process, server):
    probe = (f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(.1)\n"
             f"s.connect(('{server}', 53)); "
             f"s.send(bytes.fromhex('000101000001000000000000026e3008626c6f636b656430076578616d706c650000010001'))\n"
             f"s.recv(512)")
    for _ in range(200):
        if process.poll() is not None:
            break
        asked = subprocess.run(["ip", "netns", "exec", "client", sys.executable, "-c", probe],
                               capture_output=True)
        if asked.returncode == 0:
            return
        time.sleep(0.05)
    sys.exit(f"no server answers at {server}:\n" + sh(f"tail -n 5 {DIR}/*.log", capture_output=True).stdout)


# ---------------------------------------------------------------- forward

def forward(args):
    """A router that only routes, and then the same with a home router's packet filter.

    Client and server have a core each: their places decide over half of each figure.
    """
    start("internet", ["iperf3", "-s"], SERVER_CORE)
    start("internet", [sys.executable, "-c", ACCEPT], SERVER_CORE)
    time.sleep(0.5)
    result, rows = {}, []
    for router in ("plain", "masquerading"):
        if router == "masquerading":
            sh("ip netns exec router nft -f -", input=FIREWALL)
        result[router], more = forward_by(router, args)
        rows += more
    table(["", "without", "with optout", "with ÷ without", "aim"], rows)
    return result


def forward_by(router, args):
    kinds = [("1 stream up", ["-P", "1"]), ("4 streams up", ["-P", "4"]),
             ("1 stream down", ["-P", "1", "-R"]), ("4 streams down", ["-P", "4", "-R"])]
    runs = {(kind, on): [] for kind, _ in kinds for on in (False, True)}
    connects = {False: [], True: []}
    visits = 0
    for round_ in range(args.rounds or 5):
        for kind, flags in [*kinds, ("connect", None)]:
            # The two are neighbours in time, and take turns at being first.
            for on in ((False, True), (True, False))[round_ % 2]:
                optout = start_optout() if on else None
                before = device_packets("router", "optout0") if on else 0
                time.sleep(1)  # what a start and a stop leave behind is done by then
                if flags:
                    runs[kind, on].append(iperf(flags, args.seconds or 3))
                else:
                    connects[on].append(connect_us())
                if on:
                    visits += device_packets("router", "optout0") - before
                    stop(optout)
        say(f"{router} router: round {round_ + 1} of {args.rounds or 5}")
    result, rows = {"tun_packets": visits}, []
    for kind, _ in kinds:
        without, with_ = runs[kind, False], runs[kind, True]
        result[kind] = compare(with_, without)
        rows.append([f"{router}: {kind}", f"{statistics.median(without):.2f} Gbit/s",
                     f"{statistics.median(with_):.2f} Gbit/s", ratio_text(result[kind]), "≥ 0.98"])
    # A shorter connect is better: the ratio is turned round, so that more is better here too.
    result["connect"] = compare(connects[False], connects[True])
    rows.append([f"{router}: connect, median", f"{statistics.median(connects[False]):.0f} µs",
                 f"{statistics.median(connects[True]):.0f} µs", ratio_text(result["connect"]), "≥ 0.98"])
    rows.append([f"{router}: packets in the TUN", "", visits, "", "0"])
    return result, rows


def compare(ours, theirs):
    ratios = [a / b for a, b in zip(ours, theirs)]
    return {"with": statistics.median(ours), "without": statistics.median(theirs),
            "ratio": round(statistics.median(ratios), 3), "least": round(min(ratios), 3),
            "most": round(max(ratios), 3)}


def ratio_text(row):
    return f"{row['ratio']} ({row['least']} to {row['most']})"


def iperf(flags, seconds):
    command = ["ip", "netns", "exec", "client", "taskset", "-c", CLIENT_CORE, "iperf3", "-c",
               "198.51.100.1", "-t", str(seconds), "-J", *flags]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return said["end"]["sum_received"]["bits_per_second"] / 1e9


def connect_us():
    command = ["ip", "netns", "exec", "client", "taskset", "-c", CLIENT_CORE, sys.executable, "-c",
               CONNECT]
    return float(subprocess.run(command, check=True, text=True, capture_output=True).stdout)


# What a home router has: all connections tracked, those of the house let through and masqueraded;
# also when optout has put them back, which it asks of a firewall that drops what it does not know.
FIREWALL = """
table inet fw {
    chain through { type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname { lan0, optout0, optout1 } accept
    }
    chain hide { type nat hook postrouting priority 100; oifname wan0 masquerade; }
}
"""

ACCEPT = """
import socket
s = socket.create_server(('198.51.100.1', 9), backlog=1024)
while True:
    s.accept()[0].close()
"""

CONNECT = """
import socket, statistics, struct, time
took = []
for _ in range(4000):
    s = socket.socket()
    # Ends with a reset: thousands of connections that linger would slow the next ones.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    begun = time.perf_counter()
    s.connect(('198.51.100.1', 9))
    took.append(time.perf_counter() - begun)
    s.close()
print(statistics.median(took) * 1e6)
"""


NAMES = 10_000  # names in the list that all three servers load
BENCHES = {"idle": idle, "dns": dns, "forward": forward, "rules": rules.compare,
           "flows": lambda args: flows.compare(args, FIREWALL), "reload": reload.million, "small": reload.small}


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run")
    parser.add_argument("name", choices=BENCHES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--names", type=int)
    args = parser.parse_args()
    make_network()
    about = {"bench": args.name, **machine()}
    try:
        measured = BENCHES[args.name](args)
    except NotReady as error:
        sys.exit(str(error))
    if args.json:
        print(json.dumps({**about, **measured}))
    else:
        print(f"\n{about['date']}, {about['processor']}, {about['cores']} cores, Linux "
              f"{about['kernel']}, load {about['load']:.1f} at the start")
    sys.exit(1 if measured.get("failed") else 0)


if __name__ == "__main__":
    main()
