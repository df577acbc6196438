"""Rule sets as libraries: each program loads the names, looks names up, and says what it took.

The protocol: `PROGRAM NAMES HIT DEEP MISS` prints one line of JSON. In it are `load_s`;
what was resident before the load, after it, and after all lookups (some remember what they
found), `base_kib`, `loaded_kib` and `rss_kib`; `peak_kib`; and for each set of questions
`_ns` a lookup, `_asked` and `_blocked`.
"""

import json
import os
import re
import subprocess

from lab import SERVER_CORE, OPTOUT

from .names import BENCH

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """A row that is an error, and why."""


def optout(place, count):
    """The example program counts the set's own bytes, so nothing is subtracted here.

    It ends with an error if a lookup is wrong.
    """
    said = ask([built("rules_bench", os.environ["RULES_BENCH"]), *files(place, "names"), "--json"])
    said = {SHORT.get(key, key): value for key, value in said.items()}
    if "rss_peak" in said:
        said["build_peak_kib"] = (said["rss_peak"] - said["rss_before"]) * 1024
    memory = said["bytes_per_domain_memory"] * count / 1024
    return {
        "memory_kib": memory, "bytes": said["bytes_per_domain_memory"],
        "disk_bytes": said["bytes_per_domain_disk"], "load_s": said["build_s"],
        "again_s": said["open_ms"] / 1000, "peak_kib": said["build_peak_kib"],
        **{key: said[key] for key in ("hit_ns", "deep_ns", "miss_ns")}}


# What the example program may call it, and what it is here.
SHORT = {"memory": "bytes_per_domain_memory", "disk": "bytes_per_domain_disk", "build": "build_s",
         "open": "open_ms", "hit": "hit_ns", "deep": "deep_ns", "miss": "miss_ns"}


def library(program, rules):
    """A peer's measurement."""
    def measure(place, count):
        said = ask([built(program, f"{BENCH}/{program}"), *files(place, rules)])
        memory = said["rss_kib"] - said["base_kib"]
        return checked(said, {
            "loaded_kib": said["loaded_kib"] - said["base_kib"], "memory_kib": memory,
            "bytes": memory * 1024 / count, "load_s": said["load_s"],
            "peak_kib": said["peak_kib"] - said["base_kib"]})
    return measure


def built(name, program):
    """The program, or Failed with what its compiler said."""
    if not os.path.exists(program):
        try:
            with open(f"{BENCH}/{name}.why") as file:
                raise Failed(f"not measured: {file.read().strip()}")
        except FileNotFoundError:
            raise Failed(f"not measured: {program} was not built") from None
    return program


def files(place, rules):
    return [f"{place}/{name}" for name in (rules, "hit", "deep", "miss")]


def ask(command):
    done = subprocess.run(["taskset", "-c", SERVER_CORE, *command], text=True, capture_output=True,
                          timeout=300)
    if done.returncode:
        raise Failed((done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1])
    return json.loads(done.stdout)


def checked(said, row):
    """The row with its lookups, which must have been right."""
    for name in ("hit", "deep", "miss"):
        row[f"{name}_ns"] = said[f"{name}_ns"]
        asked, blocked = int(said[f"{name}_asked"]), int(said[f"{name}_blocked"])
        if blocked != (0 if name == "miss" else asked):
            raise Failed(f"wrong: blocks {blocked} of {asked} {name} names")
    return row


def version(path, pattern):
    """The pinned version of a peer, from the file that pins it."""
    with open(f"{HERE}/{path}") as file:
        return re.search(pattern, file.read())[1]


LIBRARIES = {
    "optout": (lambda: subprocess.check_output([OPTOUT, "--version"], text=True).split()[-1], optout),
    "AdGuard urlfilter": (lambda: version("urlfilter/go.mod", r"AdguardTeam/urlfilter v(\S+)"),
                          library("urlfilter", "adblock")),
    "blocky": (lambda: version("blocky/go.mod", r"0xERR0R/blocky v(\S+)"), library("blocky", "names")),
    "adblock-rust": (lambda: version("adblock/Cargo.toml", r'adblock = "=(\S+)"'),
                     library("adblock", "adblock")),
}
