"""The engine in a Java machine, as in the app: from its start to the first answer, the memory that
it adds to the process, and how often it wakes while nothing happens.

Run by tests/bench/run in a network of its own. The Java side is tests/android/java/Phone.java; the
TUN is a real one, and the first question is for a host of the catalogue.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

BENCH = os.environ["BENCH"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOME = f"{BENCH}/jvm"
ADDRESSES = "198.18.0.1,fd6f:7074:6f75:7400::1"
ROUTES = "198.18.0.0/15,fd6f:7074:6f75:7400::/64"


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--names", type=int, default=500_000)
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--seconds", type=int, default=120, help="of idleness")
    args.add_argument("--json", action="store_true")
    args = args.parse_args()
    prepare(args.names)
    Phone().end("plan", f"{HOME}/config", f"{HOME}/data")  # compiles the list, once
    rounds = [first() for _ in range(args.rounds)]
    result = {
        "names": args.names,
        "first_answer_ms": [ms for ms, _ in rounds],
        "memory_kib": [kib for _, kib in rounds],
        "idle_seconds": args.seconds,
        "idle_wakeups": idle(args.seconds),
    }
    if args.json:
        print(json.dumps(result))
        return
    print(f"the catalogue and {args.names:,} names, median of {args.rounds} starts:")
    print(f"  start to first answer   {statistics.median(result['first_answer_ms']):.1f} ms")
    print(f"  memory of the process   +{statistics.median(result['memory_kib']) / 1024:.1f} MiB")
    print(f"idle for {args.seconds} s: woken {result['idle_wakeups']} times")


def prepare(names):
    os.makedirs(f"{HOME}/config", exist_ok=True)
    os.makedirs(f"{HOME}/data", exist_ok=True)
    with open(f"{HOME}/names", "w") as file:
        file.writelines(f"n{n}.of{n % 9973}.telemetry.example\n" for n in range(names))
    with open(f"{HOME}/config/optout.toml", "w") as file:
        file.write(f'upstreams = ["192.0.2.53"]\n[[lists]]\npath = "{HOME}/names"\n')
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Phone:
    """A Java machine with the engine in it; without a TUN if nothing is asked of it."""

    def __init__(self):
        app = f"{ROOT}/android/tunnel/src/main/java/org/optout/tunnel"
        sources = [f"{app}/{name}.java" for name in ("Engine", "Bridge", "EngineException")]
        classes = f"{HOME}/classes"
        subprocess.run(["javac", "-d", classes, *sources, f"{ROOT}/tests/android/java/Phone.java"],
                       check=True)
        opener = [f"{ROOT}/tests/lab/hand_over.py", "tun7", ADDRESSES, ROUTES, "tun"]
        java = ["java", "-Xmx64m", "-XX:-UsePerfData", "-cp", classes, "Phone", os.environ["LIBRARY"],
                "TUN"]
        log = open(f"{HOME}/log", "ab")
        self.process = subprocess.Popen(["python3", *opener, *java], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, text=True)

    def ask(self, *words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        said, _, text = self.process.stdout.readline().rstrip("\n").partition("\t")
        if said != "ok":
            raise SystemExit(f"{words[0]}: {text or said or 'the machine ended'}; see {HOME}/log")
        return text

    def end(self, *words):
        said = self.ask(*words)
        self.process.stdin.close()
        self.process.wait(20)
        return said


def first():
    phone = Phone()
    tun = phone.ask("descriptor", "1")
    said = phone.end("first", tun, f"{HOME}/config", f"{HOME}/data", "198.18.0.53")
    ms, kib = said.split("\t")
    return float(ms), int(kib)


def idle(seconds):
    phone = Phone()
    tun = phone.ask("descriptor", "1")
    phone.ask("first", tun, f"{HOME}/config", f"{HOME}/data", "198.18.0.53")
    time.sleep(10)  # what the first question left to do is done
    before = woken(phone)
    time.sleep(seconds)
    # The question itself wakes it once.
    return woken(phone) - before - 1


def woken(phone):
    status = json.loads(phone.ask("control", '{"do":"status"}'))[-1]["status"]
    return status["counters"]["wakeups"]


if __name__ == "__main__":
    main()
