"""What an image prints must not act on the terminal of the user who runs it."""

import os

import harness
from harness import KILN, check, check_equal, run
from worlds import build

# A bell, a title, the cursor home, an 8-bit escape, one in UTF-8, the end of a character that
# never began, one that never ends; and what is harmless: a tab, two letters, an end of line.
HOSTILE = b"\a\x1b]0;title\a\x1b[H\x9b2J\xc2\x9b2J\xbf\xe2\x82"
HARMLESS = "\tGrüße, €\n".encode()
SHOWN = b"??]0;title??[H?2J??2J???"


def on_terminal(*command):
    """What the program prints on a terminal of its own."""
    ours, theirs = os.openpty()
    try:
        done = run(*command, stdout=theirs, check_status=False)
        check_equal(done.returncode, 0, "status")
        os.write(theirs, b"\x04")  # an end, so that there is always something to read
        output = b""
        while not output.endswith(b"\x04"):
            output += os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)
    return output[:-1].replace(b"\r\n", b"\n")


def each_monitor():
    yield "qemu"
    if harness.kvm_serves():
        yield "kvm"


def command(monitor, text):
    # In two calls, in the middle of a character.
    half = len(text) - 6
    return [KILN, "run", build("ring3", "vm"), "--monitor", monitor, "--attack",
            f"print {text[:half].hex()} print {text[half:].hex()}"]


def test_terminal(_):
    """on a terminal only text is shown, whole characters of it"""
    for monitor in each_monitor():
        check_equal(on_terminal(*command(monitor, HOSTILE + HARMLESS)),
                    SHOWN + HARMLESS + b"survived\n", monitor)


def test_file(_):
    """elsewhere it is as the image printed it"""
    for monitor in each_monitor():
        done = run(*command(monitor, HOSTILE + HARMLESS), text=False)
        check(HOSTILE + HARMLESS in done.stdout, f"{monitor}: {done.stdout}")
