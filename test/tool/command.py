"""The command line: what it says, its exit codes, and what it leaves behind."""

import os
import random
import re
import shutil
import tempfile

from appliances import PLAIN, Appliance, kiln
from harness import KILN, ROOT, STATE, Process, check, check_equal, run

LONG = True
WITH_FOLDER = """
#include <kiln/appliance.h>
#include <kiln/embed.h>
KILN_EMBED(things, "things");
int appliance(struct kiln *k)
{
\tfor (size_t i = 0; i < things.count; i++) {
\t\tstruct slice path = things.files[i].path;
\t\tkiln_printf(k, "%.*s:%zu\\n", SLICE_ARG(path), things.files[i].content.len);
\t}
\treturn 0;
}
"""


def test_help(_):
    """help names every command, and of each its options"""
    commands = re.findall(r"^kiln (\w+) ", kiln("help").split("\n\n")[1], re.M)
    check({"new", "build", "run", "info", "test", "demo"} <= set(commands), commands)
    for command in commands:
        text = kiln("help", command)
        check(text.startswith(f"kiln {command} "), text)
        check_equal(kiln(command, "--help"), text, f"kiln {command} --help")
    check("--layout-seed N" in kiln("help", "build"), "an option")
    check(re.fullmatch(r"kiln \d+\.\d+\.\d+\n", kiln("--version")), "the version")


def test_default_output(_):
    """without -o, kiln build puts the image where one is"""
    with Appliance(main_dot_c=PLAIN) as a:
        kiln("build", "mine", "-t", "jail", cwd=a.top)
        check_equal(sorted(os.listdir(a.top)), ["mine", "mine.jail", "mine.jail.debug"], "made")


def test_usage(_):
    """a mistake on the command line is status 2 and a sentence that says what to do"""
    for arguments, says in [((), "kiln new NAME"),
                            (("frobnicate",), "kiln help"),
                            (("help", "frobnicate"), "kiln help"),
                            (("build",), "which appliance"),
                            (("build", "x"), "-t jail"),
                            (("build", "x", "-t", "moon"), "host, sim, jail, vm"),
                            (("build", "x", "-t"), "needs a value"),
                            (("build", "x", "-t", "jail", "--port"), "needs a value"),
                            (("info",), "which image"),
                            (("run",), "what is to run"),
                            (("new",), "kiln new NAME"),
                            (("new", "a b"), "does not serve"),
                            (("test", "nothing"), "no folder or suite")]:
        check(says in kiln(*arguments, status=2), f"kiln {arguments} does not say '{says}'")


def test_failures(_):
    """what cannot be done is status 1 and a sentence that says why"""
    with Appliance() as a:
        for arguments, says in [(("build", "/nothing", "-t", "jail"), "no folder"),
                                (("info", "/nothing"), "there is no /nothing"),
                                (("info", os.path.join(ROOT, "README.md")), "README.md"),
                                (("info", "/bin/sh"), "kiln build makes one"),
                                (("run", "/bin/sh"), "kiln build makes one"),
                                (("new", a.top), "cannot make")]:
            check(says in kiln(*arguments, status=1), f"kiln {arguments} does not say '{says}'")
        os.makedirs(a.folder)
        check("no .c file" in a.build(status=1), "an empty folder")


def test_compiler_errors(_):
    """a compiler error points at the user's own file and line"""
    with Appliance(main_dot_c=PLAIN.replace("return port", "return prot")) as a:
        line = next(n for n, text in enumerate(PLAIN.splitlines(), 1) if "return port" in text)
        check(f"{a.folder}/main.c:{line}:" in a.build(status=1), "file and line")


def test_link_errors(_):
    """a function that is missing is named with the user's file"""
    with Appliance(main_dot_c="int appliance(void *k);\nint missing(void);\n"
                              "int appliance(void *k) { return missing(); }\n") as a:
        text = a.build(status=1)
        check("missing" in text and "main.c" in text, text)


def test_system_calls(_):
    """what would bring a system call into an image is not built, on the host it is"""
    for call in "printf(\"%d\", 1)", "getpid()", "getchar()":
        with Appliance(main_dot_c="#include <kiln/appliance.h>\n#include <stdio.h>\n"
                       "#include <stdlib.h>\n#include <unistd.h>\n"
                       f"int appliance(struct kiln *k) {{ return !{call}; }}\n") as a:
            for target in "jail", "vm":
                text = a.build(target=target, status=1)
                check("system call" in text and "breaks the seal" in text, text)
                check(not os.path.exists(a.image), f"{call} was built")
            a.build(target="host")


def test_debugger(_):
    """an image for the host has its symbols and lines, for debuggers"""
    with Appliance(main_dot_c="#include <kiln/appliance.h>\n"
                   "int appliance(struct kiln *k) { return 0; }\n") as a:
        a.build(target="host")
        symbols = run("nm", "-l", a.image).stdout
        check(re.search(r" T appliance\t.*/main\.c:2$", symbols, re.M), symbols[:500])


BROKEN = """
#include <kiln/appliance.h>
#include <stdlib.h>
KILN_PARAM_BOOL(wrong, no, "use memory that was freed");
int appliance(struct kiln *k)
{
\tstatic char *volatile memory;
\tmemory = calloc(10, 1);
\tfree(memory);
\treturn wrong ? memory[3] != memory[3] : 0; /* line: read */
}
"""


def test_checkers(_):
    """--valgrind and --asan find a use of freed memory on host and sim, with its line"""
    line = next(n for n, text in enumerate(BROKEN.splitlines(), 1) if "line: read" in text)
    with Appliance(main_dot_c=BROKEN) as a:
        for target in "host", "sim":
            run_it = ("run", a.folder, "-t", target)
            for option, says in ("--valgrind", "Invalid read"), ("--asan", "use-after-free"):
                kiln(*run_it, option)
                text = kiln(*run_it, option, "--wrong", "yes", status=1)
                check(says in text and f"main.c:{line}" in text, f"{option}: {text}")
            kiln(*run_it)


def test_checker_refusals(_):
    """checkers are refused where they cannot work, and said to be missing"""
    with Appliance(main_dot_c=PLAIN) as a:
        a.build()
        for option in "--valgrind", "--asan":
            check("-t host" in kiln("run", a.image, option, status=2), option)
            check("sealed image" in kiln("run", a.folder, "-t", "jail", option, status=2), option)
        check("one at a time" in kiln("run", a.image, "--gdb", "--asan", status=2), "two")
        a.build("--asan", target="host")
        check("AddressSanitizer" in kiln("run", a.image, "--valgrind", status=2), "both")
        kiln("run", a.image)
        a.build(target="host")
        text = kiln("run", a.image, "--valgrind", status=1, env=dict(os.environ, PATH="/none"))
        check("the package is valgrind" in text, text)


def test_parameter_checks(_):
    """values and names of parameters are checked at build and before a run"""
    with Appliance(main_dot_c=PLAIN) as a:
        wrong = [("--times", "9", "from 1 to 5"), ("--times", "x", "from 1 to 5"),
                 ("--loud", "maybe", "yes or no"), ("--pause", "3x", "duration"),
                 ("--room", "1T", "size"), ("--port", "0", "port"),
                 ("--log", "loud", "error, warn, info or debug"),
                 ("--color", "red", "--greeting")]
        for key, value, says in wrong:
            check(says in a.build(key, value, status=2), f"build {key} {value}")
        check("twice" in a.build("--times", "1", "--times", "2", status=2), "given twice")
        for target in ("jail", "vm", "host", "sim"):
            a.build(target=target)
            for key, value, says in wrong:
                text = kiln("run", a.image, key, value, status=2)
                check(key[2:] in text, f"run {key} {value} on {target}: {text}")


def test_fixed_parameters(_):
    """a parameter fixed at build is folded into the code and refused at run"""
    with Appliance(main_dot_c=PLAIN) as a:
        a.build(target="host")
        check_equal(kiln("run", a.image, "--times", "2", "--loud", "yes"), "hello!\nhello!\n",
                    "open parameters")
        kiln("run", a.image, "--port", "81", status=3)
        settings = ["--greeting", 'a "b" ?? \\n', "--times", "2", "--loud", "yes",
                    "--pause", "3s", "--room", "64K", "--port", "81"]
        a.build(*settings, target="host")
        check_equal(kiln("run", a.image, status=3), 'a "b" ?? \\n!\n' * 2, "fixed parameters")
        text = kiln("run", a.image, "--times", "3", status=2)
        check("fixed" in text and "times" in text, text)
        a.build(*settings)
        state = os.path.join(STATE, "mine/jail/fixed/main.c.o")
        symbols = run("nm", state).stdout
        check(not re.search(r" [bBdD] (times|loud|port|greeting)$", symbols, re.M),
              f"a fixed parameter is still a variable:\n{symbols}")


def test_tostop(_):
    """what runs in the background of a terminal prints there also after stty tostop"""
    with Appliance(main_dot_c=PLAIN) as a:
        for target in ("host", "sim"):
            a.build(target=target)
            done = run("script", "-qec", f"stty tostop; {KILN} run {a.image}", "/dev/null")
            check(done.stdout.startswith("hello\n"), done.stdout)


def test_fixed_options(_):
    """an option of a library is fixed the same way"""
    with Appliance(main_dot_c=PLAIN) as a:
        a.build("--log", "debug", target="host")
        text = kiln("run", a.image, "--log", "info", status=2)
        check("fixed" in text, text)
        check(re.search(r"^  --log +level ", kiln("info", a.image), re.M), "its type by name")


def test_rebuild(_):
    """a second build compiles nothing, a changed file is compiled, twice gives the same bytes"""
    with Appliance(main_dot_c=PLAIN, other_dot_c="int other;\n", own_dot_h="") as a:
        a.build()
        first = a.bytes()
        state = os.path.join(STATE, "mine/jail")
        objects = {n: os.stat(os.path.join(state, n)).st_mtime_ns
                   for n in os.listdir(state) if n.endswith(".o")}
        a.build()
        for name, made in objects.items():
            check_equal(os.stat(os.path.join(state, name)).st_mtime_ns, made, f"{name} made")
        a.write("other.c", '#include "own.h"\nint other = 1;\n')
        a.build()
        check(os.stat(f"{state}/other.c.o").st_mtime_ns > objects["other.c.o"], "other.c")
        check_equal(os.stat(f"{state}/main.c.o").st_mtime_ns, objects["main.c.o"], "main.c")
        made = os.stat(f"{state}/other.c.o").st_mtime_ns
        a.write("own.h", "/* changed */\n")
        a.build()
        check(os.stat(f"{state}/other.c.o").st_mtime_ns > made, "the header's user")
        a.write("other.c", "int other;\n")
        shutil.rmtree(state)
        a.build()
        check(a.bytes() == first, "the image built anew differs")


def test_reproducible_elsewhere(_):
    """the same appliance in another folder, copied at another time, gives the same bytes"""
    with Appliance(main_dot_c=WITH_FOLDER, things__a="x") as a:
        a.build(target="vm")
        first = a.bytes()
        check(ROOT.encode() not in first, "the image names Kiln's own folder")
        os.utime(os.path.join(a.folder, "things/a"), (1, 1))
        moved = os.path.join(a.top, "deeper")
        os.makedirs(moved)
        a.folder = shutil.move(a.folder, moved)
        shutil.rmtree(os.path.join(STATE, "mine"))
        a.build(target="vm", cwd=moved)
        check(a.bytes() == first, "the images differ")


def test_layout_seed(_):
    """the layout seed shuffles the functions, and stands in the manifest"""
    with Appliance(main_dot_c=PLAIN) as a:
        images = {}
        for seed in ("0", "1", "2"):
            a.build("--layout-seed", seed)
            images[seed] = a.bytes()
            check(f"layout seed {seed}\n" in kiln("info", a.image), "the seed in the manifest")
        check(len(set(images.values())) == 3, "different seeds give different images")
        a.build("--layout-seed", "1")
        check(a.bytes() == images["1"], "the same seed gives the same image")


def test_embed(_):
    """a folder is embedded with odd names, sorted, without hidden files"""
    with Appliance(main_dot_c=WITH_FOLDER) as a:
        for name in ("z", "a b", 'quote"and\\', "ünïcode", "sub/x", "a", ".hidden",
                     ".git/config", ".well-known/y", "empty"):
            a.write(f"things/{name}", "" if name == "empty" else name)
        a.build(target="host")
        lines = kiln("run", a.image).splitlines()
        expected = [".well-known/y", "a", "a b", "empty", 'quote"and\\', "sub/x", "z",
                    "ünïcode"]
        check_equal([line.rpartition(":")[0] for line in lines], expected, "paths")
        check_equal(lines[3], "empty:0", "an empty file")


def test_embed_site(_):
    """a site's files are compressed where that saves much, the same way each time"""
    listing = WITH_FOLDER.replace("KILN_EMBED(", "KILN_EMBED_SITE(").replace(
        '"%.*s:%zu\\n", SLICE_ARG(path), things.files[i].content.len',
        '"%.*s:%zu:%zu\\n", SLICE_ARG(path),'
        ' things.files[i].coded[0].content.len, things.files[i].coded[1].content.len')
    text = "".join(f"line {n}, which is much like all others\n" for n in range(200))
    with Appliance(main_dot_c=listing, things__text_dot_html=text, things__small_dot_html="<p>",
                   things__empty_dot_txt="", things__text_dot_png=text) as a:
        noise = random.Random(1).randbytes(5000)
        with open(os.path.join(a.folder, "things/noise.bin"), "wb") as file:
            file.write(noise)
        a.build(target="host")
        sizes = dict(line.split(":", 1) for line in kiln("run", a.image).splitlines())
        gzip_size, brotli_size = map(int, sizes.pop("text.html").split(":"))
        check(0 < brotli_size < gzip_size < len(text) / 4, f"{gzip_size} and {brotli_size}")
        check_equal(set(sizes.values()), {"0:0"}, f"what is not worth it in {sizes}")
        first = a.bytes()
        shutil.rmtree(os.path.join(STATE, "mine"))
        a.build(target="host")
        check(a.bytes() == first, "the image built anew differs")
        a.build()
        check("things, also compressed" in kiln("info", a.image), "kiln info says so")
        a.write("main.c", WITH_FOLDER)
        a.build(target="host")
        check(len(a.bytes()) < len(first), "KILN_EMBED has no copies")


def test_embed_date(_):
    """files have the time that SOURCE_DATE_EPOCH gives, or none"""
    dated = WITH_FOLDER.replace("things.files[i].content.len", "(size_t)things.files[i].modified")
    with Appliance(main_dot_c=dated, things__a="1") as a:
        for given, seen in [(None, "0"), ("1700000000", "1700000000"), ("", "0")]:
            environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
            if given is not None:
                environment["SOURCE_DATE_EPOCH"] = given
            a.build(target="host", env=environment)
            check_equal(kiln("run", a.image), f"a:{seen}\n", f"SOURCE_DATE_EPOCH={given}")
        text = a.build(target="host", status=1, env=dict(os.environ, SOURCE_DATE_EPOCH="today"))
        check("seconds since 1970" in text, text)


def test_embed_changes(_):
    """a changed file is embedded anew, and --NAME FOLDER embeds another folder"""
    with Appliance(main_dot_c=WITH_FOLDER, things__a="1") as a:
        a.build(target="host")
        check_equal(kiln("run", a.image), "a:1\n", "at first")
        a.write("things/a", "22")
        a.build(target="host")
        check_equal(kiln("run", a.image), "a:2\n", "changed")
        os.makedirs(os.path.join(a.top, "others"))
        with open(os.path.join(a.top, "others/b"), "w") as file:
            file.write("333")
        a.build("--things", os.path.join(a.top, "others"), target="host")
        check_equal(kiln("run", a.image), "b:3\n", "another folder")


def test_embed_failures(_):
    """what cannot be embedded is named"""
    with Appliance(main_dot_c=WITH_FOLDER) as a:
        check("--things FOLDER" in a.build(status=1), "a folder that is missing")
        a.write("things/sub/a", "1")
        loop = os.path.join(a.folder, "things/sub/loop")
        os.symlink("..", loop)
        check("leads back" in a.build(status=1), "a loop of links")
        os.unlink(loop)
        os.symlink("nowhere", loop)
        check("nowhere?" in a.build(status=1), "a dangling link")
        os.unlink(loop)
        os.mkfifo(loop)
        check("neither a file nor a folder" in a.build(status=1), "a pipe")
        os.unlink(loop)
        a.write("things/new\nline", "1")
        check("control character" in a.build(status=1), "a control character in a name")


MADE = WITH_FOLDER.replace('KILN_EMBED(things, "things")',
                           'KILN_EMBED_MADE(things, "things", "lines")')


def test_embed_made(_):
    """what a program in the appliance's folder makes of a folder is embedded, and made again
    only when that changed"""
    maker = '''#!/bin/sh
echo made >&2
for file in "$1"/*; do wc -l <"$file" | tr -d '\\n' >"$2/$(basename "$file").lines"; done
'''
    with Appliance(main_dot_c=MADE, things__a="1\n2\n", things__b="") as a:
        a.write("kiln-embed-lines", maker)
        os.chmod(os.path.join(a.folder, "kiln-embed-lines"), 0o755)
        check("made" in a.build(target="host"), "what it says is shown")
        check_equal(kiln("run", a.image), "a.lines:1\nb.lines:1\n", "at first")
        check("made" not in a.build(target="host"), "not made again")
        os.unlink(os.path.join(a.folder, "things/b"))
        check("made" in a.build(target="host"), "made again")
        check_equal(kiln("run", a.image), "a.lines:1\n", "without what is gone")
        a.write("kiln-embed-lines", maker.replace(".lines", ".count"))
        check("made" in a.build(target="jail"), "made for another target")
        check("things, as kiln-embed-lines made it" in kiln("info", a.image), "kiln info says so")


def test_embed_made_failures(_):
    """a maker that fails, is not there, or makes nothing ends the build"""
    with Appliance(main_dot_c=MADE, things__a="1") as a:
        path = os.path.join(a.folder, "kiln-embed-lines")
        check("no such program" in a.build(status=1), "there is none")
        a.write("kiln-embed-lines", "#!/bin/sh\necho wrong >&2; touch $2/x; exit 3\n")
        check("no such program" in a.build(status=1), "one that may not be run")
        os.chmod(path, 0o755)
        for _ in range(2):
            text = a.build(status=1)
            check("wrong\n" in text and "kiln-embed-lines says why above" in text, text)
        a.write("kiln-embed-lines", "#!/bin/sh\nrmdir $2/x\nexit 0\n")
        check("made nothing" in a.build(status=0), "nothing was made")
        a.write("main.c", MADE.replace('"lines"', '"../lines"'))
        check("small letters" in a.build(status=1), "a name that is a path")


def test_new(_):
    """kiln new makes an appliance that builds for every target"""
    with Appliance() as a:
        kiln("new", a.folder)
        for target in ("host", "sim", "jail", "vm"):
            a.build(target=target)
        check("site/index.html" in kiln("new", a.folder + "2"), "what it says")


def test_sim(_):
    """a sim image answers over a bad link, and a seed repeats its run to the bit"""
    request = "GET /style.css HTTP/1.1\r\nHost: kiln\r\nConnection: close\r\n\r\n"
    with open(os.path.join(ROOT, "appliance/web/site/style.css"), encoding="utf-8") as file:
        wanted = file.read()
    with Appliance() as a:
        def once(seed):
            capture = os.path.join(a.top, "pcap")
            done = run(KILN, "run", os.path.join(ROOT, "appliance/web"), "-t", "sim", "--seed",
                       seed, "--loss", "10%", "--corrupt", "2%", "--delay", "20ms", "--reorder",
                       "10%", "--pcap", capture, input=request, timeout=120)
            check_equal(done.stdout.partition("\n\n")[2], wanted, "the page")
            with open(capture, "rb") as file:
                return file.read()
        check_equal(once(7), once(7), "the frames of two runs of one seed")
        check(once(7) != once(8), "another seed is another run")
    check("no --sed" in kiln("run", os.path.join(ROOT, "appliance/web"), "-t", "sim", "--sed",
                             "7", status=2), "an unknown option")


def test_shell_command(_):
    """./kiln works from any folder, through a link, and adds little"""
    with Appliance() as a:
        link = os.path.join(a.top, "kiln")
        os.symlink(os.path.join(ROOT, "kiln"), link)
        done = run(link, "--version", cwd=a.top)
        check_equal(done.stderr, "", "nothing to say when all is built")


def test_interrupted_build(_):
    """an interrupted build leaves no half image"""
    with Appliance(main_dot_c=WITH_FOLDER, things__a="1") as a:
        process = Process(KILN, "build", a.folder, "-t", "jail", "-o", a.image)
        process.stop()
        check(not os.path.exists(a.image) or a.bytes()[:4] == b"\x7fELF", "the image")
        process.kill()
        a.build()
