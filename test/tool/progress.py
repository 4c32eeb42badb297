"""What takes long says so: on a terminal in one line that is replaced, elsewhere in plain ones."""

import os
import re
import shutil
import tempfile

from harness import KILN, ROOT, STATE, check, check_equal, run

ALONE = True  # builds Kiln itself, which the others use

CLEAR = "\r\x1b[K"


def on_terminal(command, **options):
    """Everything that the command writes to a terminal."""
    return run("script", "-qec", command, "/dev/null", text=False, **options).stdout.decode()


class Fresh:
    """A new appliance that nothing is built of yet."""

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="kiln-test-")
        run(KILN, "new", "slow", cwd=self.top)
        with open(os.path.join(self.top, "slow/site/words.txt"), "w") as file:
            file.writelines(f"{number} words\n" for number in range(3000))
        shutil.rmtree(os.path.join(STATE, "slow"), ignore_errors=True)
        return self.top

    def __exit__(self, *_):
        shutil.rmtree(self.top)
        shutil.rmtree(os.path.join(STATE, "slow"), ignore_errors=True)


def shown_lines(text):
    """What was shown and replaced."""
    return [piece for piece in text.split(CLEAR)[1:] if piece.strip()]


def test_build(_):
    """kiln build shows what it compiles and compresses, and leaves only its result"""
    with Fresh() as top:
        text = on_terminal(f"{KILN} build slow -t jail", cwd=top)
        lines = shown_lines(text)
        for wanted in "compiling slow.c", "compressing words.txt", "linking", "stripping":
            check(any(wanted in line for line in lines), f"'{wanted}' is not shown in {lines}")
        last = text.rpartition(CLEAR)[2].replace("\r\n", "\n")
        check(re.fullmatch(r"\./slow\.jail: \d+ bytes .*\n", last), repr(last))


def test_build_elsewhere(_):
    """without a terminal it prints its result only"""
    with Fresh() as top:
        done = run(KILN, "build", "slow", "-t", "jail", cwd=top)
        check_equal((done.stderr, done.stdout.count("\n")), ("", 1), "output")


def test_tests(_):
    """kiln test shows which test is running, in its place then the result"""
    command = f"{KILN} test unit/image"
    text = on_terminal(command)
    check("running unit/image" in text, text[:500])
    for line in text.replace("\r\n", "\n").splitlines():
        check(not line.rpartition(CLEAR)[2].startswith("running "), f"left behind: {line!r}")
    done = run("sh", "-c", command, text=False)
    check(b"\r" not in done.stdout + done.stderr, "a carriage return without a terminal")


def test_wrapper(_):
    """./kiln shows how far it is with building itself, and says so in a line elsewhere"""
    kiln = os.path.join(ROOT, "kiln")
    changed = os.path.join(ROOT, "tool/main.c")
    os.utime(changed)
    text = on_terminal(f"{kiln} --version")
    check(f"{CLEAR}[1/1] compiling{CLEAR}" in text, repr(text))
    check(re.fullmatch(r"kiln \S+\r\n", text.rpartition(CLEAR)[2]), repr(text))
    os.utime(changed)
    done = run(kiln, "--version")
    check_equal(done.stderr, "kiln: building what has changed\n", "without a terminal")
