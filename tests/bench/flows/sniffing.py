"""What it costs to read a name: the example programs that measure it, in their own words."""

import os
import subprocess

from lab import SERVER_CORE, note

from .contestants import Failed, built


def sniffing():
    """Each program by name → the lines that it printed, or why there are none."""
    programs = os.environ.get("SNIFF_BENCHES", "").split()
    rows = {os.path.basename(program): one(program) for program in programs}
    return rows or {"sniffing": {"errors": {"ns": "not measured: there is no example program for it here"}}}


def one(program):
    try:
        done = subprocess.run(["taskset", "-c", SERVER_CORE, built(os.path.basename(program), program)], text=True,
                              capture_output=True, timeout=120)
    except (Failed, subprocess.TimeoutExpired) as error:
        return {"errors": {"ns": str(error)}}
    if done.returncode:
        return {"errors": {"ns": (done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1]}}
    return {"lines": done.stdout.splitlines()}


def show(rows):
    for name, row in rows.items():
        for line in [*row.get("lines", []), *row.get("errors", {}).values()]:
            note(f"{name}: {line}")
