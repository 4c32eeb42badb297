"""What a newcomer does: kiln new, its test, its image on all four targets."""

import os
import re
import shutil
import tempfile

import worlds
from harness import KILN, Netns, ROOT, STATE, Process, check, check_equal, need_root, run, wait_for

REQUEST = "GET / HTTP/1.0\r\n\r\n"


class Folder:
    """A temporary folder with a new appliance in it."""

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="kiln-test-")
        self.kiln("new", "fresh")
        return self

    def kiln(self, *arguments, status=0, **options):
        done = run(KILN, *arguments, check_status=False, cwd=self.top, **options)
        check_equal(done.returncode, status, f"status of kiln {' '.join(arguments)}\n"
                    f"{done.stdout}{done.stderr}\n")
        return done.stdout + done.stderr

    def write(self, name, text):
        path = os.path.join(self.top, "fresh", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def tests(self, text):
        self.write("test/test.c", "#include <kiln/test.h>\n" + text)

    def __exit__(self, *_):
        shutil.rmtree(self.top)
        shutil.rmtree(os.path.join(STATE, "fresh"), ignore_errors=True)


def test_its_tests(_):
    """the tests of a new appliance pass, with sanitizers and with other seeds, too"""
    with Folder() as f:
        for options in [], ["--sanitize"], ["--runs", "20", "--seed", "5"]:
            text = f.kiln("test", "fresh", *options)
            check(text.endswith("1..3\n3 passed, 0 failed, 0 skipped\n"), text)


def test_sim(_):
    """a new appliance answers in the simulator"""
    with Folder() as f:
        text = f.kiln("run", "fresh", "-t", "sim", input=REQUEST)
        check("<h1>fresh</h1>" in text, text)


def test_worlds(_):
    """a new appliance answers on the host, in the jail, on KVM and on QEMU"""
    need_root()
    with Folder() as f:
        for world in worlds.WORLDS:
            if world.monitor == "kvm" and not os.access("/dev/kvm", os.W_OK):
                continue  # the suite vm says so
            image = os.path.join(f.top, f"fresh.{world.target}")
            f.kiln("build", "fresh", "-t", world.target)
            with world.start(image) as instance:
                instance.wait_up()
                check(b"<h1>fresh</h1>" in instance.fetch("/"), f"the page on {world.name}")


def test_said_commands(_):
    """what kiln new says to do next does it"""
    need_root()
    with Folder() as f:
        text = f.kiln("new", os.path.join(f.top, "other"))
        commands = [line.split("  ")[0].split()
                    for line in re.findall(r"^  \S*kiln (.*)$", text, re.M)]
        check_equal([words[0] for words in commands], ["run", "test", "build"], "commands")
        f.kiln(*commands[1])
        f.kiln(*commands[2])
        net = Netns()
        process = Process(KILN, *commands[0], netns=net)
        with net:
            page = wait_for(lambda: run("curl", "-sS", "http://localhost:8080",
                                        check_status=False).stdout, "an answer")
        check("<h1>other</h1>" in page, page)
        check_equal(process.stop(), 0, "the status after Ctrl-C")
        net.close()
    shutil.rmtree(os.path.join(STATE, "other"))


def test_failures(_):
    """a test that fails says where and why, and how to see it again"""
    with Folder() as f:
        for text, says in [
                ('KILN_TEST(a, "x") { test_equal(t, test_get(t, 80, "/no").status, 200); }',
                 r"fresh/test/test.c:2: test_get\(t, 80, \"/no\"\).status is 404, not 200"),
                ('KILN_TEST(a, "x") { test_contains(t, test_get(t, 80, "/").body, "<p>?"); }',
                 r'fresh/test/test.c:2: .*should have "<p>\?", but is \(\d+ bytes\): <!doctype'),
                ('KILN_TEST(a, "x") { test_get(t, 81, "/"); }',
                 r"test.c:2: no connection to TCP port 81: connection refused"),
                ('KILN_TEST(a, "x", .within = KILN_SECONDS(5)) { test_sleep(t, KILN_SECONDS(9)); }',
                 "the test did not end within its time"),
                ('KILN_TEST(a, "x", .options = {"port=99x"}) { test_get(t, 80, "/"); }',
                 "--port takes a port from 1 to 65535, not '99x'"),
                ('KILN_TEST(a, "x") { __builtin_trap(); }', "Illegal instruction"),
                ('KILN_TEST(a, "x") { kiln_assert(2 < 1); }',
                 "fresh/test/test.c:2: assertion failed: 2 < 1")]:
            f.tests(text + "\n")
            output = f.kiln("test", "fresh", status=1)
            check(re.search(says, output), f"'{says}' is not in\n{output}")
            check("not ok 1 - x\n" in output and "--only a --seed 1\n" in output, output)
            check(output.endswith("0 passed, 1 failed, 0 skipped\n"), output)


def test_each_begins_anew(_):
    """each test has an appliance of its own, in the order in which they are written"""
    with Folder() as f:
        f.tests('KILN_TEST(stop, "one", .options = {"port=81"}) { test_get(t, 81, "/");'
                " test_equal(t, test_stop(t), 0); }\n"
                'KILN_TEST(link, "two") { test_equal(t, test_get(t, 80, "/").status, 200); }\n')
        text = f.kiln("test", "fresh")
        check("ok 1 - one\nok 2 - two\n" in text, text)
        text = f.kiln("test", "fresh", "--only", "link")
        check("ok 1 - two\n1..1\n" in text, text)


def test_seeds(_):
    """a test that fails with one seed in many is found by --runs, and seen again by its seed"""
    with Folder() as f:
        f.tests('KILN_TEST(a, "x", .link = {.loss = 0.2}) { test_get(t, 80, "/");'
                " test_check(t, test_now(t) < KILN_MS(900)); }\n")
        output = f.kiln("test", "fresh", "--runs", "200", status=1)
        seed = re.search(r"--only a --seed (\d+)", output).group(1)
        again = f.kiln("test", "fresh", "--only", "a", "--seed", seed, status=1)
        check_equal(again, output, "the failure seen again")


def test_pcap(_):
    """--pcap captures the frames of a test"""
    with Folder() as f:
        f.kiln("test", "fresh", "--only", "front_page", "--pcap", "frames")
        with open(os.path.join(f.top, "frames"), "rb") as file:
            check(b"GET / HTTP/1.0\r\n" in file.read(), "the request in the capture")


def test_appliances(_):
    """the appliances of Kiln's pass their own tests"""
    folders = sorted(os.listdir(os.path.join(ROOT, "appliance")))
    done = run(KILN, "test", *(os.path.join(ROOT, "appliance", name) for name in folders))
    check_equal(done.stdout.count(" 0 failed"), len(folders), done.stdout)
