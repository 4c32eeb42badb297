"""make install: what it puts where, and that it is all that a user needs."""

import os
import shutil
import subprocess
import tempfile

from harness import KILN, Netns, ROOT, STATE, Process, check, check_equal, need_root, run, wait_for

NOBODY = 65534
REQUEST = "GET / HTTP/1.0\r\n\r\n"


class Installed:
    """Kiln below a temporary folder, used by a plain user without a home, from another."""

    def __enter__(self):
        need_root()
        self.top = tempfile.mkdtemp(prefix="kiln-test-")
        os.chmod(self.top, 0o755)
        self.prefix = os.path.join(self.top, "dest/opt/k")
        run("make", "-s", "-C", ROOT, "install", f"DESTDIR={self.top}/dest", "PREFIX=/opt/k",
            timeout=300)
        self.command = os.path.join(self.prefix, "bin/kiln")
        self.home = os.path.join(self.top, "home")
        os.mkdir(self.home)
        os.chown(self.home, NOBODY, NOBODY)
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                            "XDG_CACHE_HOME": os.path.join(self.home, "cache")}
        return self

    def as_nobody(self, *arguments):
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                self.command, *arguments]

    def kiln(self, *arguments, status=0, **options):
        done = run(*self.as_nobody(*arguments), check_status=False, cwd=self.home,
                   env={**self.environment, **options.pop("env", {})}, timeout=120, **options)
        check_equal(done.returncode, status, f"status of kiln {' '.join(arguments)}\n"
                    f"{done.stdout}{done.stderr}\n")
        return done.stdout + done.stderr

    def __exit__(self, *_):
        shutil.rmtree(self.top)


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


def test_installed(_):
    """an installed kiln makes, tests, builds and runs an appliance as a plain user, elsewhere"""
    with Installed() as k:
        before = files_below(k.prefix)
        k.kiln("new", "mine")
        check(k.kiln("test", "mine").endswith("3 passed, 0 failed, 0 skipped\n"), "its tests")
        check("<h1>mine</h1>" in k.kiln("run", "mine", "-t", "sim", input=REQUEST), "sim")
        check("2, 0 failed" in k.kiln("sim", "mine", "--clients", "2", "--requests", "1"), "clients")
        for target in "host", "sim", "jail", "vm":
            k.kiln("build", "mine", "-t", target)
            check(f"target {target}," in k.kiln("info", f"mine.{target}"), target)
        check_equal(sorted(os.listdir(k.home)),
                    ["cache", "mine", "mine.host", "mine.jail", "mine.jail.debug", "mine.sim",
                     "mine.vm", "mine.vm.debug"], "what is left where it was built")
        check_equal(files_below(k.prefix), before, "the installed files")


def test_runs(_):
    """an installed kiln runs images in the jail and on a hypervisor, as a plain user"""
    with Installed() as k:
        shutil.copytree(os.path.join(ROOT, "appliance/hello"), os.path.join(k.home, "hello"))
        for target in "host", "sim", "jail", "vm":
            text = k.kiln("run", "hello", "-t", target, "--name", "afar")
            check("Hello from afar: " in text, text)
        text = k.kiln("run", "hello", "-t", "vm", "--monitor", "qemu", "--name", "QEMU")
        check("Hello from QEMU: " in text, text)


def test_serves(_):
    """an installed kiln serves a plain user's appliance on a port of this machine"""
    with Installed() as k:
        k.kiln("new", "mine")
        for target in "jail", "vm":
            net = Netns()
            process = Process("env", "-u", "KILN_ROOT", "-C", k.home,
                              *(f"{key}={value}" for key, value in k.environment.items()),
                              *k.as_nobody("run", "mine", "-t", target, "-p", "8080:80"),
                              netns=net)

            def page():
                process.check_alive()
                with net:
                    return run("curl", "-sS", "--max-time", "5", "http://localhost:8080",
                               check_status=False).stdout
            check("<h1>mine</h1>" in wait_for(page, "an answer", 60, 0.1), target)
            check_equal(process.stop(), 0, "the status after Ctrl-C")
            net.close()


def test_same_bytes(_):
    """an installed kiln makes the images that this folder makes"""
    with Installed() as k:
        k.kiln("new", "mine")
        for target in "jail", "vm":
            k.kiln("build", "mine", "-t", target, "-o", "installed")
            run(KILN, "build", os.path.join(k.home, "mine"), "-t", target, "-o",
                os.path.join(k.home, "here"))
            with open(os.path.join(k.home, "installed"), "rb") as a, \
                    open(os.path.join(k.home, "here"), "rb") as b:
                check(a.read() == b.read(), f"the images for {target} differ")
        shutil.rmtree(os.path.join(STATE, "mine"))


def test_cache(_):
    """what is made on the way is in the user's cache; without a home, in /tmp; or it says so"""
    with Installed() as k:
        k.kiln("new", "mine")
        k.kiln("build", "mine", "-t", "host")
        check_equal(len(os.listdir(os.path.join(k.home, "cache/kiln"))), 1, "of one appliance")
        fallback = f"/tmp/kiln-{NOBODY}"
        shutil.rmtree(fallback, ignore_errors=True)
        nowhere = {"XDG_CACHE_HOME": "/proc/nowhere"}
        try:
            k.kiln("build", "mine", "-t", "host", env=nowhere)
            check_equal(os.stat(fallback).st_mode & 0o777, 0o700, "its permissions")
            shutil.rmtree(fallback)
            os.mkdir(fallback, 0o777)  # somebody else's
            text = k.kiln("build", "mine", "-t", "host", env=nowhere, status=1)
            check_equal(text, "kiln: there is no folder to build in: neither the cache of this "
                        f"user nor {fallback} can be written; set XDG_CACHE_HOME to a folder "
                        "that can\n", "the message")
        finally:
            shutil.rmtree(fallback, ignore_errors=True)


def test_door(_):
    """an installed libkiln-sim.so is linked by its header alone"""
    with Installed() as k:
        source = os.path.join(k.top, "driver.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("""#include <kiln/door.h>
                int main(void)
                {
                        struct kiln_door_config c = {.size = sizeof(c), .ip = "192.0.2.1/24"};
                        struct kiln_door *door = kiln_door_new(&c);
                        return !door || kiln_door_socket(door, AF_INET, SOCK_DGRAM, 0) != 3;
                }""")
        program = os.path.join(k.top, "driver")
        run("cc", f"-I{k.prefix}/include", source, "-o", program, f"-L{k.prefix}/lib",
            "-lkiln-sim", f"-Wl,-rpath,{k.prefix}/lib")
        run(program)


def test_missing_packages(_):
    """packages that a build needs and that are missing are named, all at once"""
    with Installed() as k:
        k.kiln("new", "mine")
        empty = os.path.join(k.home, "empty")
        os.mkdir(empty)
        setpriv = shutil.which("setpriv")

        def build(target, *hidden, **env):
            hide = "".join(f"mount -t tmpfs none {folder}; " for folder in hidden)
            command = ["unshare", "-m", "sh", "-c", hide + 'exec "$@"', "sh", setpriv,
                       f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env",
                       *(f"{key}={value}" for key, value in env.items()), k.command, "build",
                       "mine", "-t", target]
            done = run(*command, check_status=False, cwd=k.home,
                       env={**k.environment, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
            check_equal(done.returncode, 1, done.stdout + done.stderr)
            return done.stderr

        message = "kiln: to build for {0}, these packages are missing:{1}; as root: " \
                  "apt-get install{1}\n"
        check_equal(build("jail", PATH=empty), message.format("jail", " gcc binutils"), "PATH")
        check_equal(build("vm", "/usr/lib/x86_64-linux-musl"),
                    message.format("vm", " musl-dev"), "musl")
        check_equal(build("host", "/usr/include"), message.format("host", " libc6-dev"), "libc")
        check_equal(build("host", CC="no-such-cc"),
                    "kiln: there is no compiler no-such-cc, which CC names: install it, or "
                    "unset CC for gcc\n", "CC")


def test_what_is_left_out(_):
    """what an installed kiln has not, it says"""
    with Installed() as k:
        check("./kiln demo there" in k.kiln("demo", status=1), "demo")
        check("kiln test DIR" in k.kiln("test", status=2), "test")
        check("there is no folder unit" in k.kiln("test", "unit", status=2), "a suite")


def test_uninstall(_):
    """make uninstall leaves no file"""
    with Installed() as k:
        check("bin/kiln" in files_below(k.prefix), "installed")
        run("make", "-s", "-C", ROOT, "uninstall", f"DESTDIR={k.top}/dest", "PREFIX=/opt/k")
        check_equal(files_below(k.prefix), [], "what is left")


def test_lost(_):
    """a kiln with nothing of Kiln's around it says so"""
    with Installed() as k:
        copy = os.path.join(k.top, "kiln")
        shutil.copy(k.command, copy)
        done = subprocess.run([copy, "new", "x"], cwd=k.top, env=k.environment, text=True,
                              capture_output=True, check=False)
        check_equal((done.returncode, done.stderr),
                    (1, f"kiln: {k.top} has nothing of Kiln's around it: set KILN_ROOT to Kiln's "
                     "folder, or install it anew with make install\n"), "the message")
