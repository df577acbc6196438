"""Full capture beside plain forwarding and beside its peers, in one run.

Every round measures each contestant once for each figure, in turns; a ratio is to
plain forwarding of the same round and kind.
"""

import statistics
from subprocess import SubprocessError

from lab import note, say, sh, table

from . import measures
from .contestants import ALONE, MASQUERADING, OFFLOAD, PLAIN, REFLECTOR, ROUTING, Failed
from .sniffing import show as show_sniffing
from .sniffing import sniffing

KINDS = (*measures.STREAMS, "rate", "latency")
AIMS = {**dict.fromkeys(measures.STREAMS, "≥ 0.95"), "rate": "≥ 0.85", "p50": "≤ 60 µs", "p99": "",
        "short": "≤ 8", "bulk": "≤ 8", "cpu": "≤ 1.12"}


def compare(args, firewall):
    """`firewall` is what makes the second router masquerade."""
    rounds, seconds = args.rounds or 5, args.seconds or 3
    result = {"rounds": rounds, "seconds": seconds}
    servers = measures.Servers()
    for router, contestants in (("routing", ROUTING), ("masquerading", MASQUERADING)):
        if router == "masquerading":
            sh("ip netns exec router nft -f -", input=firewall)
        result[router] = Block(router, contestants, servers, rounds, seconds).measure()
    result["sniffing"] = sniffing()
    show(result)
    # A peer that fails is a row of the table. Without these there is none.
    result["failed"] = [f"{name}: {error}" for router in ("routing", "masquerading") for name in (PLAIN, "optout")
                        for error in result[router]["rows"][name]["errors"].values()]
    return result


class Block:
    """All contestants on one kind of router."""

    def __init__(self, router, contestants, servers, rounds, seconds):
        self.router, self.contestants, self.servers = router, contestants, servers
        self.rounds, self.seconds = rounds, seconds
        self.rows = {}  # (contestant, kind) → a row a round
        self.errors = {name: {} for name in contestants}  # contestant → kind → why
        self.others = []

    def measure(self):
        for round_ in range(self.rounds):
            for kind in KINDS:
                for name in self.order(round_):
                    self.run(name, kind)
            say(f"{self.router} router: round {round_ + 1} of {self.rounds}")
        rows = {name: {"version": version(), "errors": self.errors[name], **self.figures(name)}
                for name, (version, _) in self.contestants.items()}
        return {"rows": rows, "others": self.others, "reflectors": self.reflectors()}

    def order(self, round_):
        """Plain forwarding and optout are always neighbours in time; all take turns at being first."""
        pair, peers = list(self.contestants)[:2], list(self.contestants)[2:]
        turn = round_ % (len(peers) + 1)
        return [*peers[:turn], *(pair[::-1] if round_ % 2 else pair), *peers[turn:]]

    def run(self, name, kind):
        """One figure. What failed once is not tried again: it is an error."""
        if kind in self.errors[name]:
            return
        goes_through = False
        try:
            measures.forget_connections()
            with self.contestants[name][1]() as packets:
                measures.latency(50)  # what is done once is done
                goes_through = True
                self.others.append(measures.others_cores())
                before = packets() if packets else 0
                row = self.one(kind)
                row["visits"] = (packets() - before) / row["flows"] if packets else None
            self.rows.setdefault((name, kind), []).append(row)
            say(f"{name}: {kind}: {shown(row)}")
        except (Failed, KeyError, OSError, SubprocessError) as error:
            why = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            # Who does not come to begin is not waited for again.
            for kind_ in [kind] if goes_through or name in self.measured() else KINDS:
                self.errors[name][kind_] = why
            say(f"{name}: {kind}: {why}")

    def one(self, kind):
        if kind == "rate":
            return measures.rate(self.seconds)
        if kind == "latency":
            return measures.latency()
        return measures.throughput(self.servers, kind, self.seconds)

    def measured(self):
        return {name for name, _ in self.rows}

    def figures(self, name):
        """Of each figure its median, least and most, as a ratio or difference to plain forwarding."""
        found = {}
        for kind in measures.STREAMS:
            found[kind] = self.beside(name, kind, "gbit_s")
        found["rate"] = self.beside(name, "rate", "per_s")
        for key in ("p50", "p99"):
            found[key] = self.beside(name, "latency", f"{key}_us", lambda ours, theirs: ours - theirs)
        found["cpu"] = self.cpu(name)
        found["short"] = self.visits(name, ["rate"])
        found["bulk"] = self.visits(name, measures.STREAMS)
        found["late"] = sum(row["late"] + row["failed"] for row in self.rows.get((name, "rate"), []))
        return found

    def beside(self, name, kind, key, how=lambda ours, theirs: ours / theirs, other=PLAIN):
        if kind in self.errors[name] or kind in self.errors[other]:
            return None
        ours, theirs = ([row[key] for row in self.rows[who, kind]] for who in (name, other))
        return {"measured": statistics.median(ours), **spread([how(*pair) for pair in zip(ours, theirs)])}

    def reflectors(self):
        """Where all that clients send passes a TUN: what is reached of what can be."""
        return {f"{name} ÷ {other}": {kind: self.beside(name, kind, "gbit_s", other=other)
                                      for kind in measures.STREAMS}
                for name, other in ((ALONE, OFFLOAD), (OFFLOAD, REFLECTOR)) if name in self.contestants}

    def cpu(self, name):
        """Processor time for each gigabyte, of all four kinds of a round together."""
        if any(kind in self.errors[who] for kind in measures.STREAMS for who in (name, PLAIN)):
            return None
        ours, theirs = ([sum(row["cpu_s"] for row in rows) / sum(row["bytes"] for row in rows) * 1e9
                         for rows in zip(*(self.rows[who, kind] for kind in measures.STREAMS))]
                        for who in (name, PLAIN))
        return {"measured": statistics.median(ours), **spread([a / b for a, b in zip(ours, theirs)])}

    def visits(self, name, kinds):
        """Packets of a flow that came to userspace."""
        rows = [row["visits"] for kind in kinds if kind not in self.errors[name]
                for row in self.rows.get((name, kind), []) if row["visits"] is not None]
        return {"measured": statistics.median(rows), **spread(rows)} if rows else None


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def shown(row):
    return {key: round(value, 2) for key, value in row.items() if value is not None}


# ---------------------------------------------------------------- saying it

HEADS = {"1 up": "1 up ×", "4 up": "4 up ×", "1 down": "1 down ×", "4 down": "4 down ×", "rate": "conn/s ×",
         "p50": "p50 +µs", "p99": "p99 +µs", "short": "visits, short", "bulk": "visits, bulk", "cpu": "CPU/GB ×"}
UNITS = {**dict.fromkeys(measures.STREAMS, "{:.2f} Gbit/s"), "rate": "{:.0f}", "p50": "{:.0f} µs", "p99": "{:.0f} µs",
         "cpu": "{:.2f} s"}


def show(result):
    note(f"{result['rounds']} rounds of {result['seconds']} s; of all rounds the median (least to most)\n")
    for router in ("masquerading", "routing"):
        note(f"a {router} router")
        rows, others = result[router]["rows"], result[router]["others"]
        table(["", "version", *HEADS.values()],
              [line(name, row) for name, row in rows.items()] + [["aim of optout", "", *(AIMS[key] for key in HEADS)]])
        for name, row in rows.items():
            for error, kinds in by_error(row["errors"]).items():
                note(f"{name}: {', '.join(kinds) + ': ' if len(kinds) < len(KINDS) else ''}{error}")
            if row["late"]:
                note(f"{name}: {row['late']} connections failed or took more than a second")
        note(f"between the measurements others kept {spread_text(spread(others))} cores busy: "
             f"{'their work is in CPU/GB' if max(others) > QUIET else 'the machine was quiet'}\n")
    note("where all that clients send passes a TUN")
    table(["", *measures.STREAMS, "aim"],
          [[name, *(spread_text(row[kind]) if row[kind] else "" for kind in measures.STREAMS),
            "≥ 0.9" if name.startswith(ALONE) else ""] for name, row in result["routing"]["reflectors"].items()])
    note("")
    show_sniffing(result["sniffing"])


def line(name, row):
    """A row of the table; one that is nothing but errors ends with what is said instead."""
    if len(row["errors"]) == len(KINDS):
        return [name, row["version"], f"failed: {next(iter(row['errors'].values()))}"[:SHORT]]
    return [name, row["version"], *(cell(name, key, row) for key in HEADS)]


def cell(name, key, row):
    figure = row[key]
    if figure is None:
        failed = row["errors"].keys() & kinds_of(key)
        return "failed" if failed else ""
    return UNITS[key].format(figure["measured"]) if name == PLAIN else spread_text(figure, key in ("p50", "p99"))


def kinds_of(key):
    return {"cpu": set(measures.STREAMS), "bulk": set(measures.STREAMS), "short": {"rate"}, "p50": {"latency"},
            "p99": {"latency"}}.get(key, {key})


def by_error(errors):
    kinds = {}
    for kind, error in errors.items():
        kinds.setdefault(error.splitlines()[0], []).append(kind)
    return kinds


def spread_text(figure, whole=False):
    def said(value):
        return f"{value:.0f}" if whole or abs(value) >= 100 else f"{value:.2f}"
    return f"{said(figure['median'])} ({said(figure['least'])} to {said(figure['most'])})"


QUIET = 0.1  # cores
SHORT = 120  # letters of an error in the table; below it stands in full
