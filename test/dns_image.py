"""appliance/dns with zones of a test's own: a copy of its folder, whose folder zones/ is written
anew, built and started in a world.
"""

import os
import shutil
import tempfile

import dns_peers
from harness import KILN, ROOT, TAP, ip, run
from worlds import adding

MEMORY = "64M"
ADDRESS6, CLIENT6 = "fd00:7::2", "fd00:7::1"


class Image:
    """A running name server. `write(folder)` writes its zones, and returns their origins."""

    def __init__(self, world, write, *settings):
        world.need()
        dns_peers.need()
        self.folder = tempfile.TemporaryDirectory(prefix="kiln-dns-")
        os.chmod(self.folder.name, 0o755)
        appliance = os.path.join(self.folder.name, "dns")
        shutil.copytree(os.path.join(ROOT, "appliance/dns"), appliance)
        self.zones = os.path.join(appliance, "zones")
        shutil.rmtree(self.zones, ignore_errors=True)
        os.mkdir(self.zones)
        self.origins = write(self.zones)
        image = os.path.join(self.folder.name, f"dns.{world.target}")
        run(KILN, "build", appliance, "-t", world.target, "-o", image, timeout=300)
        self.address, self.address6, self.port = world.address, ADDRESS6, 53
        if world.target != "host":
            settings += ("--ip6", f"{ADDRESS6}/64")
        self.instance = world.start(image, *settings, memory=MEMORY)
        self.net = self.instance.net
        self.interface = "veth0" if world.target == "host" else TAP  # the clients'

    def wait(self):
        """Until it answers, by IPv6 as well."""
        self.instance.wait_up(self.port)
        with self.net:
            ip(adding(f"{CLIENT6}/64", self.interface))
        if self.instance.world.target == "host":  # where the address is not the image's
            with self.instance.where:
                ip(adding(f"{ADDRESS6}/64", "veth1"))
        return self

    def __enter__(self):
        return self.wait()

    def __exit__(self, *what):
        self.instance.__exit__(*what)
        self.folder.cleanup()
