"""What it costs to read a name: the example program that measures it."""

import json
import os
import subprocess

from lab import SERVER_CORE, note, table

from .contestants import Failed, built


def sniffing():
    """What is read → ns for each flow; or why there are no figures."""
    try:
        program = built("sniff_bench", os.environ["SNIFF_BENCH"])
        done = subprocess.run(["taskset", "-c", SERVER_CORE, program, "--json"], text=True, capture_output=True,
                              timeout=120)
        if done.returncode:
            raise Failed((done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1])
        return {row["what"]: row["ns"] for row in json.loads(done.stdout)}
    except (Failed, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}


def show(rows):
    if "error" in rows:
        note(f"sniffing: {rows['error']}")
    else:
        table(["a flow is read", "ns"], [[what, f"{ns:.0f}"] for what, ns in rows.items()])
