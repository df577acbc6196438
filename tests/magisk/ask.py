"""Asks for an address as netd does: ask.py NAME SERVER [MARK]. Prints it, or why there is none."""

import socket
import struct
import sys

name, server, *mark = sys.argv[1:]
question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
message = struct.pack("!6H", 0x4F4F, 0x100, 1, 0, 0, 0) + question + b"\0\0\1\0\1"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    if mark:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(mark[0], 0))
    asking.settimeout(1)
    try:
        asking.sendto(message, (server, 53))
        answer = asking.recv(1500)
    except OSError as error:
        sys.exit(f"no answer: {error}")
count = struct.unpack("!H", answer[6:8])[0]
print(socket.inet_ntoa(answer[-4:]) if count else f"code {answer[3] & 15}")
