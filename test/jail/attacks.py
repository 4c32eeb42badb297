"""The jail against an image that tries to get out of it: every attempt of the table, and every
number of a system call there could be."""

from attempts import Attempt, add_tests, call_numbers, has_int80, make
from cell import Cell

X32 = 0x40000000
LONG = True
HIGHEST = 600  # above what any kernel has
# Linux 6.14 and later let these two pass every filter (kernel/seccomp.c,
# seccomp_uprobe_exception()): they are for code that a tracer of the kernel's has put into a
# process, and refuse to work from anywhere else.
URETPROBE, UPROBE = 335, 336
PASSED = {URETPROBE: "SIGSYS/SIGILL", UPROBE: "SIGSYS/returned -6"}
# What none of the calls that are allowed takes, and what would harm nothing if a call were made.
HARMLESS = "77 buffer 8 0 0", "-1 -1 -1 -1 -1"


def attack(attempts, ring="off", xdp=False):
    with Cell("attack", "jail", "1M", "--io-uring", ring, xdp=xdp) as cell:
        make(attempts, lambda how: cell.start(how, path=cell.file, pid=cell.canary.pid))


add_tests(globals(), "test/jail/attempts", attack)
add_tests(globals(), "test/jail/ring_attempts", lambda attempts: attack(attempts, "on"))
add_tests(globals(), "test/jail/xdp_attempts", lambda attempts: attack(attempts, xdp=True))


def refused(numbers, way="gate", arguments=HARMLESS[0], end=None):
    """Each ends the image by `end`, or as its number does."""
    names = {number: name for name, number in call_numbers().items()}
    attack([Attempt(names.get(number, f"number {number}"), f"call {way} {number} {arguments}",
                    end or PASSED.get(number % (1 << 32), "SIGSYS"))
            for number in numbers])


def all_but_the_exit():
    return [number for number in range(HIGHEST) if number != call_numbers()["exit_group"]]


def test_numbers(_):
    """every number of a system call ends the image, unless its arguments are the image's own"""
    for arguments in HARMLESS:
        refused(all_but_the_exit(), arguments=arguments)


def test_numbers_inside(_):
    """so does every number with its upper half set, entered within the gate"""
    refused([(1 << 32) + number for number in all_but_the_exit()], "inside")


def test_numbers_x32(_):
    """so does every number of x32"""
    refused([X32 + number for number in range(HIGHEST)])


def test_numbers_int80(_):
    """so does every number of the 32-bit entry"""
    refused(range(HIGHEST), "int80", end="SIGSYS" if has_int80() else "SIGSEGV")


def test_numbers_far(_):
    """so does every number that no kernel has: negative, and powers of two"""
    refused([*range(-64, 0), *(1 << bit for bit in range(10, 32)),
             *((1 << bit) - 1 for bit in range(10, 32))])
