"""Every message that a user can meet: what is wrong, what to do, and the exit status.

errors/*.txt are transcripts: a title behind "##", then commands behind "$ ", what each prints,
to the letter (but for sizes and addresses), and its exit status in brackets. They run in a folder with a few appliances and
their images, in a network namespace where port 8099 is taken, as root; ROOT and TOP stand for
Kiln's folder and for that one, and moments of the log are left out.

The last test takes every message out of the sources (messages.py) and wants to have seen it
here, or to find it in errors/unseen, with the reason.

    python3 test/tool/errors.py NAME...     writes what the commands of errors/NAME.txt print
                                            into that file: to be read before it is kept
"""

import contextlib
import glob
import os
import re
import shutil
import socket
import sys
import tempfile
import time

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import messages
from harness import (ROOT, STATE, Failed, Netns, Skip, check, kvm_serves, need_root,
                     run, wait_for)

LONG = True
HERE = os.path.join(ROOT, "test/tool/errors")
PREAMBLE = """
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
powerless() { setpriv --bounding-set=-all "$@"; } # root, as files see any other user
# The system call fails: inject CALL:error=E[:when=N] COMMAND...
inject() { injected=$1; shift; strace -o /dev/null -e inject="$injected" "$@"; }
"""
IMAGES = ["hello host", "hello sim", "hello jail", "hello vm", "web host", "web sim", "web jail",
          "web vm", "block host", "block jail", "block vm", "two host", "two jail", "two vm"]
TWO = """
#include <kiln/net.h>
#include <kiln/block.h>
KILN_NET(inner, "faces the clients");
KILN_NET(outer, "faces the world");
KILN_BLOCK(data, "keeps the entries");
KILN_BLOCK(places, "finds them");
KILN_PARAM_UINT(count, 3, 1, 9, "how many");
int appliance(struct kiln *k)
{
\treturn !net_up(k, &inner) || !net_up(k, &outer) || !block_open(k, &data) ||
\t       !block_open(k, &places) || !count;
}
"""


class Place:
    """Where the commands run."""

    made = None

    def __init__(self):
        need_root()
        self.top = tempfile.mkdtemp(prefix="kiln-errors-")
        os.chmod(self.top, 0o777)
        self.net = Netns()
        with self.net:
            self.taken = [socket.socket(type=kind) for kind in
                          (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
            for taken in self.taken:
                taken.bind(("", 8099))
            self.taken[0].listen()
        for name, source in [("hello", "appliance"), ("web", "appliance"),
                             ("block", "test/image")]:
            shutil.copytree(os.path.join(ROOT, source, name), os.path.join(self.top, name))
        self.write("two/two.c", TWO)
        self.write("lines", "no image\n")
        for image in IMAGES:
            name, target = image.split()
            run(os.path.join(ROOT, "build/bin/kiln"), "build", name, "-t", target, cwd=self.top)

    def write(self, name, text):
        path = os.path.join(self.top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def run(self, command):
        """What the command prints, and its exit status, as the transcripts have it."""
        path = f"{HERE}:{ROOT}/build/bin:{os.environ['PATH']}"
        with self.net:
            # timeout, for it ends all that the command has started, too.
            done = run("timeout", "-s", "KILL", "30", "sh", "-c", PREAMBLE + command,
                       check_status=False, cwd=self.top,
                       env=dict(os.environ, PATH=path, LC_ALL="C", KILN_STATE=STATE))
        text = (done.stdout + done.stderr).replace(self.top, "TOP")
        text = text.replace(STATE, "ROOT/build/appliance").replace(ROOT, "ROOT")
        text = re.sub(r"^\[ *\d+\.\d+\]", "[time]", text, flags=re.M)
        text = re.sub(r": \d+ bytes \(text .*\)", ": N bytes", text)
        text = re.sub(r"\b0x[0-9a-f]+", "0xN", text)
        text = re.sub(r"up for \d+ us, \d+ KiB", "up for N us, N KiB", text)
        if text and not text.endswith("\n"):
            text += "\n"
        return f"{text}[{done.returncode}]\n"

    def close(self):
        for taken in self.taken:
            taken.close()
        self.net.close()
        names = os.listdir(self.top)
        shutil.rmtree(self.top)
        for name in names:
            shutil.rmtree(os.path.join(STATE, name), ignore_errors=True)

    @classmethod
    def get(cls):
        if not cls.made:
            cls.made = cls()
        return cls.made


def transcript(path):
    """[title, [(command, expected)]] of a file."""
    sections = []
    with open(path) as file:
        for line in file:
            if line.startswith("## "):
                sections.append((line[3:].strip(), []))
            elif line.startswith("$ "):
                sections[-1][1].append([line[2:].rstrip("\n"), ""])
            elif line.startswith("> "):
                sections[-1][1][-1][0] += "\n" + line[2:].rstrip("\n")
            elif sections and sections[-1][1] and not (
                    re.search(r"^\[\d+\]$", sections[-1][1][-1][1], re.M)):
                sections[-1][1][-1][1] += line
    return sections


_seen = []


def check_section(commands):
    place = Place.get()
    wrong, left_out = [], 0
    for command, expected in commands:
        if "kvm" in command + expected and not kvm_serves():
            left_out += 1
            _seen.append(expected)
            continue
        got = place.run(command)
        _seen.append(got)
        if got != expected:
            wrong.append(f"$ {command}\n{got}is not\n{expected}")
    if wrong:
        raise Failed("\n".join(wrong))
    if left_out:
        raise Skip(f"no /dev/kvm: without {left_out} of {len(commands)} commands")


def _make_tests():
    for path in sorted(glob.glob(os.path.join(HERE, "*.txt"))):
        for number, (title, commands) in enumerate(transcript(path)):
            def test(_, commands=commands):
                check_section(commands)
            test.__doc__ = title
            globals()[f"test_{os.path.basename(path)[:-4]}_{number}"] = test


if __name__ != "__main__":
    _make_tests()


def unseen():
    """message: why it cannot be provoked here."""
    found, reason = {}, ""
    with open(os.path.join(HERE, "unseen")) as file:
        for line in file:
            if line.startswith("# "):
                reason = line[2:].strip()
            elif reason and line.strip():
                found[line.rstrip("\n").replace("\\n", "\n")] = reason
    return found


def held_elsewhere(message, reason):
    """Whether the test that the reason names has three words of the message in a row."""
    def words_of(text):
        return " ".join(re.findall(r"[\w']+", text))
    with open(os.path.join(ROOT, reason[len("held by "):])) as file:
        text = words_of(file.read())
    pieces = [words_of(piece).split() for piece in re.split(messages.CONVERSION, message)]
    return any(" ".join(piece[at:at + 3]) in text
               for piece in pieces for at in range(len(piece) - 2))


def missing_messages():
    """Messages of the sources that no output has."""
    output = "".join(_seen)
    return {message: path for message, path in messages.all_messages().items()
            if not re.search(messages.pattern(message), output)}


def test_z_every_message(_):
    """every message of the sources was seen above, or is known not to be seen, with a reason"""
    Place.get()
    missing, known = missing_messages(), unseen()
    new = [f"{path}: {message!r}" for message, path in missing.items() if message not in known]
    check(not new, "messages without a case in test/tool/errors/*.txt:\n" + "\n".join(new))
    stale = [message for message in known if message not in missing]
    lost = [message for message, reason in known.items()
            if reason.startswith("held by ") and not held_elsewhere(message, reason)]
    check(not lost, "held nowhere:\n" + "\n".join(lost))
    check(not stale, "in test/tool/errors/unseen, but seen, or no longer there:\n"
          + "\n".join(stale))


def test_zz_clean(_):
    """nothing is left behind"""
    Place.get()
    wait_for(lambda: Place.made.net.interfaces() == ["lo"], "the interfaces gone")
    Place.made.close()
    Place.made = None


def rewrite(path, place):
    """Writes what the commands print; tells of those that take long."""
    lines = []
    for title, commands in transcript(path):
        lines.append(f"## {title}\n\n")
        for command, _ in commands:
            shown = "$ " + command.replace("\n", "\n> ")
            began = time.monotonic()
            lines.append(f"{shown}\n{place.run(command)}\n")
            if time.monotonic() - began > 1:
                print(f"{time.monotonic() - began:.1f} s: {command}")
    with open(path, "w") as file:
        file.write("".join(lines).rstrip("\n") + "\n")


if __name__ == "__main__":
    os.environ["KILN_ROOT"] = ROOT
    with contextlib.closing(Place()) as there:
        for name in sys.argv[1:]:
            rewrite(os.path.join(HERE, name + ".txt"), there)
