"""The messages that Kiln's C sources print for a user, found where they are written.

A message is a call of one of the functions below with a literal as its format; literals that
stand side by side are one. What has too few words to be known again (as "%s: %s", which hands
on a message of somebody else's) is left out.
"""

import glob
import os
import re

from harness import ROOT

FOLDERS = ["tool", "monitor", "monitor/jail", "monitor/kvm", "usernet", "target/host", "target/sim",
           "target/scenario", "target/test"]
# Function: what comes before its format.
CALLS = r"""\b(?:fail|fail_usage|warn)\(\s*
          | \b(?:monitor_fail|misuse|refuse|failed|test_fail)\(\s*[^;"(]*?,\s*
          | \b(?:sim_fail)\(\s*
          | \bscenario_refuse\(\s*s,\s*
          | \bplay_refuse\(\s*play,[^,"]*,\s*
          | \b(?:kiln_fail)\(\s*\w+,\s*"\w+",\s*
          | \bsnprintf\(\s*error,\s*error_size,\s*
          | \bfprintf\(\s*stderr,\s*"""
LITERAL = r'(?:"(?:[^"\\\n]|\\.)*"(?:\s*)|PRI[a-z]\d+\s*)+'
FIRST = re.compile(rf"(?:{CALLS})(?P<format>{LITERAL})", re.X)


def text_of(literals):
    """The characters of C literals side by side."""
    parts = re.findall(r'"((?:[^"\\\n]|\\.)*)"|(PRI[a-z])\d+', literals)
    text = "".join(part or "llu" for part, _ in parts)
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), text).strip("\n")


def without_comments(source):
    return re.sub(r"/\*.*?\*/", "", source, flags=re.S)


CONVERSION = r"%[-+ #0-9.*]*(?:ll|l|z|j|h)?[a-zA-Z%]"


def words(message):
    """Its letters, without conversions."""
    return re.sub(rf"{CONVERSION}|[^a-zA-Z]", "", message)


def all_messages():
    """message: the file it is in."""
    found = {}
    for folder in FOLDERS:
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "*.c"))):
            with open(path) as file:
                source = without_comments(file.read())
            for match in FIRST.finditer(source):
                message = text_of(match["format"])
                if len(words(message)) >= 4:
                    found.setdefault(message, os.path.relpath(path, ROOT))
    return found


def pattern(message):
    """A regular expression that what is printed of the message matches."""
    parts = re.split(f"({CONVERSION})", message)
    return "".join(
        re.escape(part) if at % 2 == 0
        else "%" if part == "%%"
        else r"-?\d+" if part[-1] in "diu"
        else r"[0-9a-f]+" if part[-1] == "x"
        else r"[^\n]*?"
        for at, part in enumerate(parts))


if __name__ == "__main__":
    for message, path in all_messages().items():
        print(f"{path}: {message!r}")
