"""A world of two namespaces: a device with a link, and an Internet at its other end.

Everything is private to the process that unshare(1) made for us, and ends with it. The
Internet is one DNS server and one web server, in threads that live in its namespace.
"""

import ctypes
import fcntl
import http.server
import os
import socket
import socketserver
import struct
import subprocess
import threading

RESOLVER = {4: "192.0.2.53", 6: "2001:db8::53"}
# What the Internet says of each name, by family. Nobody has to be asked about the last.
ZONE = {
    "passed.example": {4: "198.51.100.7", 6: "2001:db8:1::7"},
    "open.oneplus.net": {4: "203.0.113.7", 6: "2001:db8:2::7"},
    "mine.example": {4: "198.51.100.8", 6: "2001:db8:1::8"},
}
PAGE = b"an ordinary page\n"


def ip(*words):
    """Runs ip(8), which must succeed."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class World:
    """Both namespaces. What was asked of the Internet's resolver is in `asked`."""

    def __init__(self):
        self.asked = []
        self.device = os.open("/proc/self/ns/net", os.O_RDONLY)
        ip("link", "set", "lo", "up")
        ready = threading.Event()
        threading.Thread(target=self._internet, args=[ready], daemon=True).start()
        if not ready.wait(10):
            raise RuntimeError("the Internet did not come up")
        ip("link", "set", "eth0", "up")
        ip("address", "add", "192.0.2.2/24", "dev", "eth0")
        ip("-6", "address", "add", "2001:db8::2/64", "dev", "eth0", "nodad")
        ip("route", "add", "default", "via", "192.0.2.1")
        ip("-6", "route", "add", "default", "via", "2001:db8::1")

    def _internet(self, ready):
        """A thread enters a network namespace alone, and what it opens stays there."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x40000000):  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(
            ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
             "netns", f"/proc/self/fd/{self.device}"],
            check=True, pass_fds=[self.device])
        ip("link", "set", "lo", "up")
        ip("link", "set", "eth0", "up")
        for prefix in ["192.0.2.1/24", f"{RESOLVER[4]}/24"]:
            ip("address", "add", prefix, "dev", "eth0")
        for prefix in ["2001:db8::1/64", f"{RESOLVER[6]}/64"]:
            ip("-6", "address", "add", prefix, "dev", "eth0", "nodad")
        for addresses in ZONE.values():
            ip("address", "add", f"{addresses[4]}/32", "dev", "lo")
            ip("-6", "address", "add", f"{addresses[6]}/128", "dev", "lo")
        for family in [socket.AF_INET, socket.AF_INET6]:
            self._serve(family)
        ready.set()
        threading.Event().wait()

    def _serve(self, family):
        world = self

        class Datagrams(socketserver.BaseRequestHandler):
            def handle(self):
                message, reply = self.request
                reply.sendto(world.answer(message), self.client_address)

        class Streams(socketserver.StreamRequestHandler):
            def handle(self):
                while head := self.rfile.read(2):
                    answer = world.answer(self.rfile.read(struct.unpack("!H", head)[0]))
                    self.wfile.write(struct.pack("!H", len(answer)) + answer)

        class Pages(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(PAGE)))
                self.end_headers()
                self.wfile.write(PAGE)

            def log_message(self, *_):
                pass

        resolver = RESOLVER[4 if family == socket.AF_INET else 6]
        for base, handler, address in [
            (socketserver.ThreadingUDPServer, Datagrams, (resolver, 53)),
            (socketserver.ThreadingTCPServer, Streams, (resolver, 53)),
            (socketserver.ThreadingTCPServer, Pages, ("", 80)),
        ]:
            kind = type("Server", (base,), {
                "address_family": family, "allow_reuse_address": True, "daemon_threads": True,
                "server_bind": _bind})
            server = kind(address, handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def answer(self, message):
        """The answer to one question: the name's address, or that there is none."""
        labels, at = [], 12
        while length := message[at]:
            labels.append(message[at + 1:at + 1 + length].decode("ascii", "replace"))
            at += 1 + length
        kind = struct.unpack("!H", message[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append(name)
        family = {1: 4, 28: 6}.get(kind)
        address = ZONE.get(name, {}).get(family)
        head = message[:2] + struct.pack("!HHHHH", 0x8180 if name in ZONE else 0x8183, 1, bool(address), 0, 0)
        answer = head + message[12:at + 5]
        if address:
            data = socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, address)
            answer += struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data
        return answer


def _bind(server):
    if server.address_family == socket.AF_INET6:
        server.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.socket.bind(server.server_address)
    server.server_address = server.socket.getsockname()


def open_tun(name):
    """A TUN with the addresses and routes that an app asks its system for."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", name.encode(), 0x1001)  # IFF_TUN | IFF_NO_PI
    fcntl.ioctl(tun, 0x400454CA, request)  # TUNSETIFF, on the host's processor
    ip("link", "set", name, "up")
    ip("address", "add", "198.18.0.1/32", "dev", name)
    ip("-6", "address", "add", "fd6f:7074:6f75:7400::1/128", "dev", name, "nodad")
    ip("route", "add", "198.18.0.0/15", "dev", name)
    ip("-6", "route", "add", "fd6f:7074:6f75:7400::/64", "dev", name)
    return tun
