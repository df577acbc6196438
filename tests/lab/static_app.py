"""An app with a resolver built in: it never looks at resolv.conf.

Asks SERVER for NAME, connects to what comes back, and prints one JSON object:
the address, how the connection ended and how many milliseconds it took.
"""

import json
import random
import socket
import struct
import sys
import time


def ask(server, name, kind):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    number = random.randrange(65536)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels
    question += b"\0" + struct.pack(">2H", kind, 1)
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.sendto(question, (server, 53))
        while True:
            answer, sender = s.recvfrom(65535)
            if sender[0] == server and answer[:2] == question[:2]:
                break
    size = 4 if kind == 1 else 16
    if struct.unpack(">H", answer[6:8])[0] == 0:
        return None
    family = socket.AF_INET if kind == 1 else socket.AF_INET6
    return socket.inet_ntop(family, answer[len(question):][12:12 + size])


def connect(address, port):
    begun = time.monotonic()
    try:
        socket.create_connection((address, port), 3).close()
        ended = "connected"
    except OSError as error:
        ended = type(error).__name__
    return ended, round((time.monotonic() - begun) * 1000, 2)


def main():
    server, name, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    address = ask(server, name, 28 if ":" in server else 1)
    ended, milliseconds = connect(address, port) if address else ("no address", 0)
    print(json.dumps({"address": address, "ended": ended, "ms": milliseconds}))


if __name__ == "__main__":
    main()
