"""The same million names in optout and in its peers, each alone, on one core."""

import time
from subprocess import SubprocessError

from lab import note, say, table

from .libraries import LIBRARIES, Failed
from .names import prepare
from .servers import SERVERS, measure, start_resolver

HIGHER_IS_BETTER = {"qps"}
# The first start of the daemon is measured for how long it takes and how high its memory goes.
FIRST_START = "optout, from text"
BUDGET = 11 * 60  # seconds; no round is begun that would likely end after it


def compare(args):
    """Every round measures all, in turns; of each figure the best of all rounds counts."""
    begun = time.monotonic()
    count, rounds, seconds = args.names or 1_000_000, args.rounds or 3, args.seconds or 3
    place = prepare(count)
    start_resolver()
    measured = {}
    for round_ in range(rounds):
        taken = time.monotonic() - begun
        if round_ and not args.rounds and taken * (round_ + 1) / round_ > BUDGET:
            rounds = round_
            break
        for name, (_, library) in LIBRARIES.items():
            run(measured, "libraries", name, round_, lambda library=library: library(place, count))
        for name, server in SERVERS.items():
            for_seconds = 0 if name == FIRST_START else seconds
            run(measured, "servers", name, round_,
                lambda server=server, long=for_seconds: measure(server, place, count, long))
    result = {"names": count, "rounds": rounds, "libraries": {}, "servers": {}}
    for (kind, name), rows in measured.items():
        versions = LIBRARIES if kind == "libraries" else SERVERS
        result[kind][name] = {"version": version_of(versions[name][0]), **best(rows)}
    for rows in (result["libraries"], result["servers"]):
        add_ratios(rows)
    note(f"best of {rounds} rounds; {count} names\n")
    show(result)
    result["failed"] = [name for kind in ("libraries", "servers") for name, row in result[kind].items()
                        if "error" in row and not row["error"].startswith("not measured")]
    return result


def run(measured, kind, name, round_, measure_it):
    """One measurement. What failed once is not tried again: its row is an error."""
    rows = measured.setdefault((kind, name), [])
    if rows and "error" in rows[-1]:
        return
    try:
        rows.append(measure_it())
        shown = {key: round(value, 1 if value > 10 else 4) for key, value in rows[-1].items()}
    except (Failed, KeyError, FileNotFoundError, ProcessLookupError, SubprocessError) as error:
        shown = {"error": str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"}
        rows.append(shown)
    say(f"round {round_ + 1}: {kind}: {name}: {shown}")


def version_of(ask):
    try:
        return ask()
    except (OSError, TypeError):
        return "?"


def best(rows):
    if "error" in rows[-1]:
        return rows[-1]
    return {key: (max if key in HIGHER_IS_BETTER else min)(row[key] for row in rows) for key in rows[0]}


def add_ratios(rows):
    """How many times optout's figure each figure is."""
    ours = rows["optout"]
    for row in rows.values():
        row["ratio"] = {key: round(row[key] / ours[key], 2) for key in row
                        if isinstance(row[key], float | int) and ours.get(key)}


def show(result):
    table(["a set of names", "version", "loaded MiB", "MiB", "B/name", "load s", "peak MiB", "hit ns", "deep ns",
           "miss ns", "memory ×", "hit time ×"],
          [[name, row["version"], *(figures(row, *SET) if "error" not in row else [row["error"]])]
           for name, row in result["libraries"].items()])
    ours = result["libraries"]["optout"]
    if "again_s" in ours:
        note(f"optout again, from its compiled file: {ours['again_s'] * 1000:.1f} ms; "
            f"on disk {ours['disk_bytes']:.1f} B a name")
    note("")
    table(["a DNS server", "version", "MiB", "of it private", "B/name", "load s", "peak MiB", "blocked/s",
           "CPU µs", "p50 µs", "p99 µs", "lost", "memory ×", "blocked/s ×"],
          [[name, row["version"], *(figures(row, *SERVER) if "error" not in row else [row["error"]])]
           for name, row in result["servers"].items()])


SET = ("loaded_kib", "memory_kib", "bytes", "load_s", "peak_kib", "hit_ns", "deep_ns", "miss_ns",
       "ratio memory_kib", "ratio hit_ns")
SERVER = ("memory_kib", "anon_kib", "bytes", "load_s", "peak_kib", "qps", "us_per_query", "p50_us",
          "p99_us", "lost", "ratio memory_kib", "ratio qps")


def figures(row, *keys):
    return [figure(key, row["ratio"].get(key[6:]) if key.startswith("ratio ") else row.get(key))
            for key in keys]


def figure(key, value):
    if value is None:
        return ""
    if key.startswith("ratio "):
        return f"{value:.2f}"
    if key.endswith("_kib"):
        return f"{value / 1024:.1f}"
    return f"{value:.2f}" if key in ("load_s", "us_per_query") else f"{value:.1f}" if key == "bytes" \
        else f"{value:.0f}"
