"""kiln info: what it shows is what readelf and the notes themselves say."""

import json
import os
import re
import struct

from harness import KILN, ROOT, WORK, check, check_equal, run
from worlds import build

MANUAL = os.path.join(ROOT, "doc/kiln.1")
TARGETS = ("host", "jail", "vm")
PARAMETER_TYPES = ["unknown", "bool", "uint", "port", "duration", "size", "string", "address",
                   "prefix", "level", "address6", "prefix6", "any-address", "addresses",
                   "routes"]


def info(image):
    return json.loads(run(KILN, "info", "--json", image).stdout)


def images():
    """An image of every target, and one with a parameter and an option fixed."""
    for target in TARGETS:
        yield target, build("web", target)
    yield "jail", build("web", "jail", "--port", "8080", "--log", "error")


# ---- what the file says, read anew ----

def texts(field, count):
    """So many NUL-terminated texts, and no byte more."""
    *found, rest = field.decode().split("\0")
    check_equal((len(found), rest), (count, ""), f"texts in {field}")
    return found


def notes(image):
    """The notes of owner "Kiln", as [(type, descriptor)], from the section's bytes."""
    with open(image, "rb") as file:
        whole = file.read()
    offset, size = next((int(words[2], 16), int(words[3], 16)) for words in (
        line.partition("]")[2].split()[1:] for line in
        run("readelf", "-SW", image).stdout.splitlines() if " .note.kiln " in line))
    found, at = [], offset
    while at < offset + size:
        name_size, size_of, kind = struct.unpack_from("<3I", whole, at)
        body = at + 12 + (name_size + 3 & ~3)
        if whole[at + 12:at + 12 + name_size] == b"Kiln\0":
            found.append((kind, whole[body:body + size_of]))
        at = body + (size_of + 3 & ~3)
    return found


def of_type(found, kind):
    return [body for number, body in found if number == kind]


def sections(image):
    """name, type, address, size and flags of each section that is in memory."""
    found = []
    for line in run("readelf", "-SW", image).stdout.splitlines():
        match = re.match(r" +\[ *\d+\] (\S+) +(\S+) +(\w{16}) \w+ (\w+) \w+ +([A-Z]*) ", line)
        if match and "A" in match.group(5):
            found.append((match.group(1), match.group(2), int(match.group(3), 16),
                          int(match.group(4), 16), match.group(5)))
    return found


def segments(image):
    """Address, size in memory and flags of each that is loaded."""
    found = []
    for line in run("readelf", "-lW", image).stdout.splitlines():
        match = re.match(r" +LOAD +\S+ (\S+) \S+ \S+ (\S+) (R?) ?(W?) ?(E?) ", line)
        if match:
            found.append((int(match.group(1), 16), int(match.group(2), 16),
                          "".join(match.group(3, 4, 5))))
    return found


# ---- the fields ----

def test_notes(_):
    """devices, parameters, folders, libraries and the build are those of the notes"""
    for target, image in images():
        found, seen = notes(image), info(image)
        abi, number = struct.unpack("<2I", of_type(found, 1)[0])
        check_equal((seen["abi"], seen["target"]), (abi, ["host", "sim", "jail", "vm"][number - 1]),
                    "the target's note")
        check_equal(seen["target"], target, "the target")
        build_note, = of_type(found, 6)
        check_equal((seen["layout_seed"], seen["appliance"]),
                    (str(struct.unpack_from("<Q", build_note)[0]), *texts(build_note[8:], 1)),
                    "the build")
        expected = []
        for body in of_type(found, 2):
            kind, optional = struct.unpack_from("<2I", body)
            name, what = texts(body[8:], 2)
            expected.append({"name": name, "type": ["", "net", "disk"][kind], "help": what,
                             "optional": optional == 1})
        check_equal(seen["devices"], expected, "devices")
        fixed = dict(texts(body, 2) for body in of_type(found, 7))
        expected = []
        for body in of_type(found, 3):
            kind, library = struct.unpack_from("<2I", body)
            name, value, what = texts(body[24:], 3)
            expected.append({"name": name, "type": PARAMETER_TYPES[kind], "default": value,
                             "library": library == 1, "help": what})
            if name in fixed:
                expected[-1]["fixed"] = fixed[name]
        check_equal(seen["parameters"], expected, "parameters")
        check_equal(seen["embeds"], [dict(zip(("name", "path", "maker"), texts(body, 3)))
                                     for body in of_type(found, 4)], "folders")
        check_equal(seen["libraries"], [dict(zip(("name", "version"), texts(body, 2)))
                                        for body in of_type(found, 5)], "libraries")


def test_fixed(_):
    """what the build fixed is shown with its value"""
    *_, (_, image) = images()
    fixed = {p["name"]: p["fixed"] for p in info(image)["parameters"] if "fixed" in p}
    check_equal(fixed, {"port": "8080", "log": "error"}, "fixed")
    check(re.search(r"--port +port +8080 .*\(fixed by the build\)", run(KILN, "info", image).stdout),
          "for people")


def test_sections(_):
    """sections have the sizes of readelf, and the permissions of the segments they lie in"""
    for target, image in images():
        seen = info(image)
        check_equal([(s["name"], s["bytes"]) for s in seen["sections"]],
                    [(name, size) for name, _, _, size, _ in sections(image)], "sections")
        for s, (name, _, address, _, flags) in zip(seen["sections"], sections(image)):
            check_equal(s["executable"], "X" in flags, f"{name} executable")
            if target == "host":
                continue
            permission = next(p for begin, size, p in segments(image)
                              if begin <= address < begin + max(size, 1))
            check_equal((s["writable"], s["executable"]), ("W" in permission, "E" in permission),
                        f"{name} in a segment that is {permission}")


def test_sizes(_):
    """the sizes are the sums of the sections by kind, and none is left out"""
    for _, image in images():
        seen, found = info(image), sections(image)
        sizes = seen["sizes"]
        check_equal(sizes["text"], sum(s[3] for s in found if "X" in s[4]), "text")
        check_equal(sizes["zeroed"], sum(s[3] for s in found if s[1] == "NOBITS"), "zeroed")
        check_equal(sizes["notes"], sum(s[3] for s in found if s[1] == "NOTE"), "notes")
        check_equal(sizes["data"], sum(s["bytes"] for s, (_, kind, _, _, _) in
                                       zip(seen["sections"], found)
                                       if s["writable"] and kind != "NOBITS"), "data")
        check_equal(sum(sizes.values()), sum(s[3] for s in found), "all")
        check_equal(seen["bytes"], os.path.getsize(image), "the file")


# ---- the description ----

def keys(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_described(_):
    """every key of the JSON of kiln info and kiln map stands in the manual, and no other"""
    with open(MANUAL) as file:
        section = file.read().partition(".Sh OUTPUT FOR PROGRAMS")[2].partition("\n.Sh ")[0]
    described = set()
    for line in re.findall(r"^(?:\.It )?\.?Ic (.*)$", section, re.M):
        described.update(word for word in line.split() if re.fullmatch(r"\w+", word))
    image = build("web", "jail")
    os.makedirs(WORK, exist_ok=True)
    broken = os.path.join(WORK, "info-unsealed.jail")
    run(KILN, "build", os.path.join(ROOT, "test/image/attack"), "-t", "jail", "-o", broken,
        "--unsealed")
    unsealed = run(KILN, "info", "--json", broken, check_status=False)
    seen = keys(json.loads(unsealed.stdout))
    for _, each in images():
        seen |= keys(info(each))
    for options in ["--diff", build("web", "vm")], ["--why", "tcp_new"]:
        seen |= keys(json.loads(run(KILN, "map", image, "--json", *options).stdout))
    check_equal(seen, described, "keys")
