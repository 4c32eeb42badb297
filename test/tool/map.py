"""kiln map: every byte of the file is drawn once, every reference is real, growth is told."""

import json
import os
import random
import re
import subprocess
import xml.etree.ElementTree

from appliances import PLAIN, Appliance, kiln
from harness import KILN, ROOT, STATE, WORK, Failed, check, check_equal, run

WEB = os.path.join(ROOT, "appliance/web")
SVG = "{http://www.w3.org/2000/svg}"
UDP_ONLY = """
#include <kiln/appliance.h>
#include <kiln/udp.h>
KILN_NET(net0, "echoes");
static void answer(struct udp_socket *socket, const struct udp_datagram *datagram, void *context)
{
\t(void)udp_send(socket, &datagram->from, datagram->payload);
}
int nobody_calls_this(void);
int nobody_calls_this(void)
{
\treturn 7;
}
int appliance(struct kiln *k)
{
\tstruct udp_socket *socket;
\tif (udp_bind(udp_new(net_up(k, &net0)), 7, answer, NULL, &socket) != KILN_OK)
\t\treturn 1;
\treturn kiln_run(k);
}
"""
LARGER = PLAIN.replace("int appliance(", """
static const unsigned char ballast[2000] = {1, 2, 3};
int appliance(""").replace("return port == 81 ?", "return ballast[port % 2000] + port == 81 ?")


def web(target):
    """The image of appliance/web."""
    image = os.path.join(WORK, f"map-web.{target}")
    if not hasattr(web, target):
        os.makedirs(WORK, exist_ok=True)
        kiln("build", WEB, "-t", target, "-o", image)
        setattr(web, target, image)
    return image


def mapped(image, *options):
    return json.loads(run(KILN, "map", image, "--json", *options).stdout)


def parts_of(tree):
    return [(library["name"], part_of["name"], part) for library in tree["libraries"]
            for part_of in library["objects"] for part in part_of["parts"]]


def chains(image, name="*"):
    return json.loads(run(KILN, "map", image, "--why", name, "--json").stdout)["chains"]


# ---- sizes ----

def check_sums(image):
    tree = mapped(image)
    size = os.path.getsize(image)
    check_equal(tree["bytes"], size, "bytes of the whole")
    check_equal(sum(library["bytes"] for library in tree["libraries"]), size, "libraries")
    for library in tree["libraries"]:
        check_equal(sum(o["bytes"] for o in library["objects"]), library["bytes"],
                    library["name"])
        for part_of in library["objects"]:
            check_equal(sum(p["bytes"] for p in part_of["parts"]), part_of["bytes"],
                        f"{library['name']}, {part_of['name']}")
    return tree


def test_sums(_):
    """the parts of an image add up to its file, and its code to what its sections have"""
    for target in "jail", "vm":
        tree = check_sums(web(target))
        sizes = json.loads(run(KILN, "info", web(target), "--json").stdout)["sizes"]
        code = sum(p["bytes"] for _, _, p in parts_of(tree) if p["kind"] == "code")
        code += sum(p["bytes"] for _, o, p in parts_of(tree)
                    if o == "alignment" and p["name"] in (".text", ".stub.boot", ".stub.text"))
        check_equal(code, sizes["text"], f"code of {target}")
        check(0 < tree["zeroed"] <= sizes["zeroed"], "zeroed memory")


def test_functions(_):
    """functions have the sizes that nm tells, in the objects that they come from"""
    parts = {p["name"]: (library, part_of, p["bytes"])
             for library, part_of, p in parts_of(mapped(web("jail")))}
    found = 0
    for line in run("nm", "-S", web("jail") + ".debug").stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "Tt" and words[3] in parts and \
                words[3].startswith(("tcp_", "http_", "ip4_")):
            library, part_of, size = parts[words[3]]
            # Up to the next one: functions end on a multiple of 8.
            check(int(words[1], 16) <= size <= int(words[1], 16) + 16, f"{words[3]}: {size}")
            check_equal(library, "http" if words[3].startswith("http_") else "net", words[3])
            found += 1
    check(found > 100, f"only {found} functions")
    check_equal(parts["tcp_emit"][:2], ("net", "tcp_wire.c"), "tcp_emit")


def test_embedded(_):
    """embedded files are drawn as what they are, one by one"""
    files = [(o, p) for library, o, p in parts_of(mapped(web("jail"))) if library == "embedded"]
    page = next(p for o, p in files if p["name"] == "index.html")
    size = os.path.getsize(os.path.join(WEB, "site/index.html"))
    check(size <= page["bytes"] <= size + 16, f"{page} of {size} bytes")
    check_equal({o for o, _ in files}, {"site"}, "folders")
    check_equal({p["kind"] for _, p in files}, {"embedded"}, "kinds")


def test_table(_):
    """--text lists libraries and objects with their shares, largest first"""
    text = kiln("map", web("jail"), "--text")
    rows = re.findall(r"^ *([\d,]+) +([\d.]+) % .{10}  (\S.*)$", text, re.M)
    sizes = [int(size.replace(",", "")) for size, _, name in rows if name != "format"]
    check_equal(sizes, sorted(sizes, reverse=True), "order of the libraries")
    shares = sum(float(share) for _, share, _ in rows)
    check(99.5 < shares < 100.5, f"shares: {shares}")


# ---- the picture ----

def check_picture(path):
    """Is XML, and no rectangle leaves the picture or is without a name."""
    root = xml.etree.ElementTree.parse(path).getroot()
    _, _, width, height = (float(n) for n in root.get("viewBox").split())
    rectangles = [r for r in root.iter(f"{SVG}rect")]
    for r in rectangles:
        check(float(r.get("x")) >= 0 and float(r.get("y")) >= 0 and
              float(r.get("x")) + float(r.get("width")) <= width + 0.1 and
              float(r.get("y")) + float(r.get("height")) <= height + 0.1, "a rectangle outside")
        check(r.find(f"{SVG}title") is not None or not r.get("class").startswith("p "),
              "a part without a name")
    return root, rectangles


def test_picture(_):
    """the picture is sound XML, has every large part, and is small enough for the web"""
    for target in "jail", "vm":
        path = os.path.join(WORK, "map.svg")
        kiln("map", web(target), "-o", path)
        root, rectangles = check_picture(path)
        names = {r.find(f"{SVG}title").text.splitlines()[0] for r in rectangles
                 if r.find(f"{SVG}title") is not None}
        missing = {p["name"] for _, _, p in parts_of(mapped(web(target))) if p["bytes"] > 60} - names
        check_equal(missing, set(), "parts that are not drawn")
        check(os.path.getsize(path) < 200000, f"{os.path.getsize(path)} bytes")
        style = root.find(f"{SVG}style").text
        check("prefers-color-scheme:dark" in style and ":hover" in style, "its style")


def test_default_output(_):
    """without -o the picture stands beside the image"""
    image = web("jail")
    if os.path.exists(image + ".svg"):
        os.unlink(image + ".svg")
    kiln("map", image)
    check_picture(image + ".svg")


# ---- why ----

def input_references():
    """What the linker was given, as readelf tells: name -> sections that refer to it."""
    objects = [os.path.join(ROOT, f"build/image/lib{name}.a")
               for name in ("core", "net", "http", "target-jail", "target-vm")]
    for target in "jail", "vm":
        folder = os.path.join(STATE, "web", target)
        objects += [os.path.join(folder, name) for name in ("web.c.o", "embed_site.s.o")]
    found = {}
    section = None
    for line in run("readelf", "-rW", *objects).stdout.splitlines():
        head = re.match(r"Relocation section '\.rela(\S+)'", line)
        words = line.split()
        if head:
            section = head.group(1)
        elif len(words) >= 5 and words[2].startswith("R_X86_64"):
            found.setdefault(words[4], set()).add(section)
    return found


def is_reference(references, source, target):
    """Whether a section of `source` refers to `target`, by its name or its section."""
    target = target.removesuffix(".cold")  # .text.unlikely.NAME
    shared = "kiln_params" if source.startswith("kiln_param_") else None
    return any(name == target or name.endswith("." + target)
               for name, sections in references.items()
               if any(s.endswith("." + source) or s == shared for s in sections))


def test_references(_):
    """each step of every chain is a relocation of the linker's input"""
    references = input_references()
    steps = set()
    for target in "jail", "vm":
        for chain in chains(web(target)):
            for a, b in zip(chain, chain[1:]):
                # Sections of assembly and of the stub hold several functions; libraries of
                # the system have been compiled otherwise.
                if b["by"] == "reference" and not a["object"].endswith(".S") and \
                        not a["object"].startswith("stub") and \
                        a["library"] not in ("libc", "libgcc", "embedded") and \
                        not b["name"].endswith((" texts", " tables")) and \
                        b["name"] not in ("texts", "numbers") and \
                        not a["name"].endswith(" tables") and b["library"] != "embedded":
                    steps.add((a["name"], ".note.kiln" if b["object"] == "manifest" else b["name"]))
    wrong = {s for s in steps if not is_reference(references, *s)}
    check_equal(wrong, set(), "steps without a relocation")
    check(len(steps) > 350, f"only {len(steps)} steps")


def test_why(_):
    """--why tells how TCP got into the web server: from the entry point, step by step"""
    chain, = chains(web("jail"), "tcp_emit")
    names = [step["name"] for step in chain]
    check_equal((chain[0]["by"], names[0]), ("entry", "_start"), "the beginning")
    check("appliance" in names and names[-1] == "tcp_emit", f"{names}")
    check(all(step["by"] == "reference" for step in chain[1:]), "how")
    text = kiln("map", web("jail"), "--why", "tcp_emit")
    check(re.search(r"-> appliance +appliance, web.c\n.*-> tcp_\w+ +net, ", text, re.S), text)


def test_all_explained(_):
    """everything in an image is reached from its entry point or kept by the linker script"""
    for target, roots in [("jail", set()), ("vm", {"pvh_start"})]:
        found = chains(web(target))
        kept = {(c[0]["object"], c[0]["name"]) for c in found if c[0]["by"] == "kept"}
        check_equal({name for part_of, name in kept
                     if part_of != "manifest" and not name.startswith("kiln_param")},
                    roots, f"roots in {target}")
        # The stub's functions share a section of its own; so do a library's parameters.
        neighbours = {c[-1]["object"] for c in found if c[-1]["by"] == "neighbour"
                      and not c[-1]["name"].startswith("kiln_param_")}
        check(neighbours <= {"stub.c", "stub_boot.c", "stub_machine.c"}, neighbours)


def test_absent(_):
    """a symbol that is not in the image: not taken, dropped, or never there"""
    with Appliance(main_dot_c=UDP_ONLY) as a:
        a.build()
        objects = {o for _, o, _ in parts_of(mapped(a.image))}
        check(not any(name.startswith("tcp") for name in objects), f"TCP in {objects}")
        check("udp.c" in objects, "no UDP")
        for name, says in [("tcp_listen", r"libnet\.a\(tcp_listen\.c\.o\) has it"),
                           ("nobody_calls_this", r"the linker dropped it \(.*main\.c\.o\)"),
                           ("udp_sent", r"there is no udp_sent .* Similar: udp_send"),
                           ("", "there is no  in")]:
            text = kiln("map", a.image, "--why", name, status=1)
            check(re.search(says, text), f"--why '{name}': {text}")


# ---- two builds ----

def test_diff(_):
    """--diff tells what came, went, grew and shrank, as a table, JSON and a picture"""
    with Appliance(main_dot_c=PLAIN) as a:
        a.build()
        old = a.image + ".old"
        for ending in "", ".debug":
            os.rename(a.image + ending, old + ending)
        a.write("main.c", LARGER)
        a.build()
        check(re.search(r"^ +0 +2,000 +\+2,000  came +ballast \(appliance, main.c\)$",
                        kiln("map", a.image, "--diff", old), re.M), "the table")
        check("went   ballast" in kiln("map", old, "--diff", a.image), "the other way round")
        tree = mapped(a.image, "--diff", old)
        check_equal((tree["bytes"], tree["before"]),
                    (os.path.getsize(a.image), os.path.getsize(old)), "sizes")
        check_equal(sum(p["before"] for _, _, p in parts_of(tree)), tree["before"], "sum before")
        kiln("map", old, "--diff", a.image, "-o", a.image + ".svg")
        _, rectangles = check_picture(a.image + ".svg")
        check(any(r.get("class") == "p went" for r in rectangles), "what went is not drawn")
        check("0 against" in kiln("map", old, "--diff", old), "an image and itself")


# ---- the budget ----

def test_max_size(_):
    """--max-size lets an image pass that fits, and refuses one that does not"""
    with Appliance(main_dot_c=PLAIN) as a:
        a.build()
        size = os.path.getsize(a.image)
        a.build("--max-size", str(size))
        a.build("--max-size", "64K")
        os.unlink(a.image)
        text = a.build("--max-size", str(size - 1), status=1)
        check(f"{size:,} bytes: 1 more than --max-size allows" in text, text)
        check("against the last build that fitted" in text and "is not made" in text, text)
        check(not os.path.exists(a.image), "an image that is too large was written")


def test_outgrown(_):
    """an image that outgrew its budget leaves the last good one, and tells what grew"""
    with Appliance(main_dot_c=PLAIN) as a:
        a.build("--max-size", "64K")
        good = a.bytes()
        limit = str(len(good) + 100)
        a.write("main.c", LARGER)
        text = a.build("--max-size", limit, status=1)
        check(re.search(r"came +ballast \(appliance, main.c\)", text), text)
        check("is left as it was" in text, text)
        check_equal(a.bytes(), good, "the image")
        # The image that did not fit can be asked as the message says.
        hint = re.search(r"kiln map (\S+) --why", text).group(1)
        check("appliance" in kiln("map", hint, "--why", "ballast", cwd=os.getcwd()), hint)


def test_first_too_large(_):
    """without a build that fitted, the largest parts are told"""
    with Appliance(main_dot_c=LARGER) as a:
        text = a.build("--max-size", "4K", status=1)
        check("the largest parts" in text, text)
        check(re.search(r"^ +2,000 +[\d.]+ %  ballast \(appliance, main.c\)$", text, re.M), text)


# ---- bad input ----

def test_companion(_):
    """a companion that is missing, of another build, or of another Kiln is told from another"""
    with Appliance(main_dot_c=PLAIN) as a:
        a.build()
        debug = a.image + ".debug"
        with open(debug, "rb") as file:
            good = file.read()
        os.unlink(debug)
        check("kiln build writes it beside the image" in kiln("map", a.image, status=1), "missing")
        with open(debug, "wb") as file:
            file.write(b"no ELF file")
        check("damaged" in kiln("map", a.image, status=1), "damaged")
        a.write("main.c", LARGER)
        kiln("build", a.folder, "-t", "jail", "-o", a.image + "2")
        os.replace(a.image + "2.debug", debug)
        check("belongs to another build" in kiln("map", a.image, status=1), "another build")
        with open(debug, "wb") as file:
            file.write(good)
        run("objcopy", "--remove-section=.kiln.map", debug)
        check("another version of Kiln" in kiln("map", a.image, status=1), "without a map")


def test_programs(_):
    """programs of the host and files that are no image are refused"""
    with Appliance(main_dot_c=PLAIN) as a:
        a.build(target="host")
        check("-t jail or -t vm" in kiln("map", a.image, status=1), "a program of the host")
        check("no image" in kiln("map", "/bin/true", status=1), "/bin/true")
        a.build("--max-size", "1M", target="host", status=2)


def test_broken_companion(_):
    """a companion with flipped bytes never makes kiln map crash"""
    chance = random.Random(7)
    image = os.path.join(WORK, "map-broken.jail")
    with open(web("jail"), "rb") as file:
        whole = file.read()
    with open(web("jail") + ".debug", "rb") as file:
        companion = file.read()
    with open(image, "wb") as file:
        file.write(whole)
    begin = companion.index(b"kiln map 1\n")
    for turn in range(40):
        broken = bytearray(companion)
        for _ in range(30):
            at = chance.randrange(begin + 100, len(broken)) if turn % 2 \
                else len(broken) - 1 - chance.randrange(60000)
            broken[at] = chance.randrange(256)
        with open(image + ".debug", "wb") as file:
            file.write(broken[:len(broken) - (chance.randrange(9000) if turn % 5 == 0 else 0)])
        for options in ["--json"], ["--why", "tcp_*"], ["-o", image + ".svg"]:
            done = subprocess.run([KILN, "map", image, *options], capture_output=True, check=False)
            if done.returncode not in (0, 1) or (done.returncode and not done.stderr):
                raise Failed(f"turn {turn}, {options}: status {done.returncode}")


def test_usage(_):
    """a mistake on the command line is told"""
    for arguments, says in [((), "which image"), (("a", "b"), "--diff"),
                            (("a", "--frobnicate"), "--frobnicate"),
                            (("a", "--difference=b"), "--difference"),
                            (("a", "--text", "--json"), "choose one"),
                            (("a", "--why", "b", "-o", "c"), "--json only")]:
        check(says in kiln("map", *arguments, status=2), f"kiln map {arguments}")
    check("64K" in kiln("build", WEB, "-t", "jail", "--max-size", "big", status=2), "--max-size")
