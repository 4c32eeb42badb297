"""Appliances that tests write themselves, and the kiln command to build them with."""

import os
import shutil
import tempfile

from harness import KILN, STATE, check_equal, run


def kiln(*arguments, status=0, **options):
    done = run(KILN, *arguments, check_status=False, **options)
    check_equal(done.returncode, status,
                f"status of kiln {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
    return done.stdout + done.stderr


class Appliance:
    """A folder with the given files, and a place for images."""

    def __init__(self, **files):
        self.files = files

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="kiln-test-")
        self.folder = os.path.join(self.top, "mine")
        self.image = os.path.join(self.top, "image")
        for name, text in self.files.items():
            self.write(name.replace("__", "/").replace("_dot_", "."), text)
        return self

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text.encode())
        return path

    def build(self, *settings, target="jail", status=0, **options):
        return kiln("build", self.folder, "-t", target, "-o", self.image, *settings,
                    status=status, **options)

    def bytes(self):
        with open(self.image, "rb") as file:
            return file.read()

    def __exit__(self, *_):
        shutil.rmtree(self.top)
        shutil.rmtree(os.path.join(STATE, "mine"), ignore_errors=True)


PLAIN = """
#include <kiln/appliance.h>
KILN_PARAM_STRING(greeting, "hello", "what to say");
KILN_PARAM_UINT(times, 1, 1, 5, "how often");
KILN_PARAM_BOOL(loud, no, "with an exclamation mark");
KILN_PARAM_SECONDS(pause, 0, "between them");
KILN_PARAM_SIZE(room, 4096, "not used");
KILN_PARAM_PORT(port, 80, "not used");
int appliance(struct kiln *k)
{
\tfor (uint64_t i = 0; i < times; i++)
\t\tkiln_printf(k, "%s%s\\n", greeting, loud ? "!" : "");
\treturn port == 81 ? 3 : 0;
}
"""
