"""kiln run --timings tells, on every target, where the time went until an image ran; and --log
sets what an image tells of itself, by the same levels."""

import re

import worlds
from harness import Netns, check, check_equal, run, wait_for
from worlds import KILN

WORLDS = worlds.WORLDS

MONITOR = ["monitor began", "image and options checked", "image placed and relocated",
           "devices opened"]
STEPS = {"host": [],
         "jail": MONITOR + ["privileges dropped"],
         "kvm": MONITOR + ["machine made", "privileges dropped"],
         "qemu": []}


def rows(text):
    """(at, took, what) of each line of the table."""
    table = text.partition("kiln: where the time went, in ms\n")[2]
    return [(float(at), float(took), what) for at, took, what in
            re.findall(r"^ +([\d.]+) +([\d.]+)  (.+)$", table, re.M)]


def test_table(world):
    """the steps of the tool, of the monitor and of the image, in order, on one clock"""
    with world.start(world.build("echo"), "--timings", log="debug") as image:
        wait_for(lambda: "runs, " in image.process.text().partition("where the time went")[2],
                 "the table", 30)
        table = rows(image.process.text())
    names = [what for _, _, what in table]
    check_equal(names[:2], ["kiln run began", "image and options checked by kiln run"],
                image.process.text())
    entered = names.index("image entered")
    check_equal(names[3:entered], STEPS[world.name], image.process.text())
    logged = [name.split()[1] for name in names[entered + 1:]]
    check_equal(logged, ["echo:", "core:"] if world.name == "host" else ["net:", "echo:", "core:"],
                image.process.text())
    check(table == sorted(table), f"not in order: {table}")
    for (before, _, _), (at, took, _) in zip(table, table[1:]):
        check(abs(at - before - took) < 0.0021, f"{table}")
    check_equal(image.process.text().count("where the time went"), 1, "tables")


def test_build(world):
    """of a folder, the build is a step; an image that ends at once has its table then"""
    world.need()
    monitor = ["--monitor", world.monitor] if world.monitor else []
    done = run(KILN, "run", worlds.ROOT + "/appliance/hello", "-t", world.target, *monitor,
               "--timings")
    names = [what for _, _, what in rows(done.stderr)]
    check_equal(names[:2], ["kiln run began", "image built"], done.stderr)
    check("Hello" in done.stdout, done.stdout)


def test_log(world):
    """--log debug tells all, --log error of nothing that goes well"""
    for level, wanted in ("debug", {"debug", "info"}), ("info", {"info"}), ("error", set()):
        net = Netns()
        with world.start(world.build("echo"), net=net, log=level) as image:
            image.wait_up(7)
        seen = set(re.findall(r"^\[ *[\d.]+\] (\w+) ", image.process.text(), re.M))
        check_equal(seen, wanted, f"{level}: {image.process.text()}")
