#!/usr/bin/env python3
"""Runs a command in a terminal of 80 columns and draws what it printed as SVG.

    docs/render-terminal.py docs/demo.svg optout demo
    docs/render-terminal.py docs/report.svg optout report

Only what optout prints is understood: text, line ends, and the colours (SGR) of
src/cli/page.rs. A background of its own makes it legible on light and dark pages.
"""

import argparse
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from html import escape

COLUMNS, ROWS = 80, 60
SIZE, WIDTH, HEIGHT = 14, 8.4, 19  # pixels: of the font, of a cell
MARGIN = 18
BACKGROUND, TEXT = "#1b1f27", "#d7dae0"
STYLES = {
    "0": "",
    "1": 'fill="#ffffff" font-weight="bold"',
    "2": 'fill="#8b93a1"',
    "31": 'fill="#ff7b72"',
    "32": 'fill="#7ee787"',
    "33": 'fill="#f2cc60"',
}
SGR = re.compile(r"\x1b\[([0-9;]*)m")


def run(command):
    """What the command prints on a terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", LANG="C.UTF-8", LC_ALL="C.UTF-8")
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    printed = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when the child is gone
            break
        if not part:
            break
        printed += part
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed: {printed.decode(errors='replace')}")
    return printed.decode()


def spans(line):
    """Column, style and text of each run of one style."""
    column, style = 0, ""
    for at, part in enumerate(SGR.split(line)):
        if at % 2:
            style = STYLES[part or "0"]
        elif part:
            yield column, style, part
            column += len(part)


def svg(command, lines):
    """The picture."""
    lines = [f"\x1b[2m$\x1b[0m \x1b[1m{' '.join(command)}\x1b[0m", *lines]
    width = round(2 * MARGIN + COLUMNS * WIDTH)
    height = 2 * MARGIN + len(lines) * HEIGHT
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(" ".join(command))} in a terminal">'
    )
    yield (
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}" stroke="#444c56"/>'
    )
    yield (
        f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
        f'font-size="{SIZE}" fill="{TEXT}" xml:space="preserve">'
    )
    for row, line in enumerate(lines):
        y = MARGIN + row * HEIGHT + SIZE
        for column, style, text in spans(line):
            if not text.strip():
                continue
            x = MARGIN + column * WIDTH
            # Each run is told its length, so columns hold with any font.
            length = f'textLength="{len(text) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
            yield f'<text x="{x:.1f}" y="{y}" {length} {style}>{escape(text)}</text>'
    yield "</g></svg>"


def main():
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    lines = run(asked.command).replace("\r\n", "\n").rstrip("\n").split("\n")
    with open(asked.picture, "w", encoding="utf-8") as picture:
        picture.write("\n".join(svg(asked.command, lines)) + "\n")


main()
