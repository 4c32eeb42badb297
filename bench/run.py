#!/usr/bin/python3
"""kiln bench [WHAT]: side-by-side measurements against what a user would pick instead.

Each bench is a module here with a function main(arguments) that returns the exit status, and a
first line of its documentation that says what it compares. Without WHAT they are listed.
"""

import importlib
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "tool"))

BENCHES = ["web", "net", "dns", "boot", "sim"]


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        for name in BENCHES:
            print(importlib.import_module(name).__doc__.splitlines()[0])
        return 0
    if arguments[0] not in BENCHES:
        print(f"kiln: there is no bench '{arguments[0]}': choose from {' '.join(BENCHES)}",
              file=sys.stderr)
        return 2
    return importlib.import_module(arguments[0]).main(arguments[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the bench has begun
        sys.exit(130)
