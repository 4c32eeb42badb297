"""appliance/dns with zones of a test's own: a copy of its folder, whose folder zones/ is written
anew, built and started in a world.
"""

import os
import shutil
import tempfile

import dns_peers
from harness import KILN, ROOT, run

MEMORY = "64M"


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
        self.address, self.port = world.address, 53
        self.instance = world.start(image, *settings, memory=MEMORY)
        self.net = self.instance.net

    def wait(self):
        self.instance.wait_up(self.port)
        return self

    def __enter__(self):
        return self.wait()

    def __exit__(self, *what):
        self.instance.__exit__(*what)
        self.folder.cleanup()
