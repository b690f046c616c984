#!/usr/bin/env python3
"""Moves a picture of 640 x 360 about on an X display, 30 times a second, every pixel of it: what a
video looks like to those who send pictures. Needs nothing but Python.

    video.py SECONDS
"""

import os
import socket
import struct
import sys
import time

WIDTH, HEIGHT, FPS = 640, 360, 30
# The picture is a window onto a larger one, which is moved.
BEYOND = 96
# Rows of one request: the protocol has a largest length, of 262,140 bytes at least.
ROWS = 90


def cookie():
    """The MIT-MAGIC-COOKIE-1 of this user's display."""
    with open(os.environ.get("XAUTHORITY", os.path.expanduser("~/.Xauthority")), "rb") as file:
        data = file.read()
    at = 2
    while at < len(data):
        fields = []
        for _ in range(4):
            (length,) = struct.unpack_from(">H", data, at)
            fields.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        if fields[2] == b"MIT-MAGIC-COOKIE-1":
            return fields[2], fields[3]
        at += 2
    return b"", b""


def exactly(sock, count):
    parts = b""
    while len(parts) < count:
        part = sock.recv(count - len(parts))
        if not part:
            raise SystemExit("the display closed the connection")
        parts += part
    return parts


def connect():
    number = os.environ["DISPLAY"].lstrip(":").split(".")[0]
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(f"/tmp/.X11-unix/X{number}")
    name, data = cookie()
    pad = lambda text: text + b"\0" * (-len(text) % 4)
    sock.sendall(struct.pack("<cxHHHHxx", b"l", 11, 0, len(name), len(data)) + pad(name) + pad(data))
    status, _, _, _, length = struct.unpack("<BBHHH", exactly(sock, 8))
    reply = exactly(sock, length * 4)
    if status != 1:
        raise SystemExit(f"the display refused: {reply!r}")
    base, vendor, formats = struct.unpack_from("<I", reply, 4)[0], struct.unpack_from("<H", reply, 16)[0], reply[21]
    screen = 32 + vendor + (-vendor % 4) + formats * 8
    (root,) = struct.unpack_from("<I", reply, screen)
    return sock, base, root, reply[screen + 38]


def texture():
    """A picture with soft and hard edges in all colours, as rows of BGRX."""
    rows = []
    for y in range(HEIGHT + BEYOND):
        row = bytearray()
        for x in range(WIDTH + BEYOND):
            grain = (x * 7919 + y * 104_729 ^ x * y) & 15
            row += bytes(((x + y) // 3 + grain & 255, (x ^ y) // 2 + grain & 255, (x * y >> 8) + grain & 255, 0))
        rows.append(bytes(row))
    return rows


def main():
    until = time.monotonic() + float(sys.argv[1])
    sock, base, root, depth = connect()
    window, gc = base, base + 1
    # Above everything, without a frame (override-redirect).
    sock.sendall(struct.pack("<BBHIIhhHHHHIII", 1, 0, 9, window, root, 40, 40, WIDTH, HEIGHT, 0, 1, 0, 0x200, 1))
    sock.sendall(struct.pack("<BBHI", 8, 0, 2, window))
    sock.sendall(struct.pack("<BBHIII", 55, 0, 4, gc, window, 0))
    rows = texture()
    begin, frame = time.monotonic(), 0
    while time.monotonic() < until:
        dx, dy = frame * 3 % BEYOND, frame * 2 % BEYOND
        for top in range(0, HEIGHT, ROWS):
            data = b"".join(rows[dy + top + y][dx * 4 : (dx + WIDTH) * 4] for y in range(ROWS))
            head = struct.pack(
                "<BBHIIHHhhBBH", 72, 2, 6 + len(data) // 4, window, gc, WIDTH, ROWS, 0, top, 0, depth, 0
            )
            sock.sendall(head + data)
        # Get Input Focus is answered when the pictures before it are drawn.
        sock.sendall(struct.pack("<BBH", 43, 0, 1))
        exactly(sock, 32)
        frame += 1
        time.sleep(max(0.0, begin + frame / FPS - time.monotonic()))


main()
