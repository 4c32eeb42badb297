"""Images on user-mode networks, run by a plain user who may do nothing (but open /dev/kvm),
each in a network namespace of its own, where the host's ports are free."""

import os
import re
import socket

from harness import (KILN, WORK, Netns, Process, check_equal, need_root, run, wait_for)
from worlds import image_name

PLAIN = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
KVM_FOR_ALL = os.path.join(WORK, "kvm")
FAMILIES = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def plain_user(world):
    """What makes a command one of a plain user who may use what the world needs."""
    need_root()
    if world.monitor != "kvm":
        return PLAIN
    world.need()
    if not os.path.exists(KVM_FOR_ALL):
        os.makedirs(WORK, exist_ok=True)
        os.mknod(KVM_FOR_ALL, 0o20666, os.stat("/dev/kvm").st_rdev)
        os.chmod(KVM_FOR_ALL, 0o666)
    # In a mount namespace that nobody else sees.
    return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /dev/kvm && exec "$@"', KVM_FOR_ALL,
            *PLAIN]


class Served:
    """An image with ports of this machine that lead into it."""

    def __init__(self, world, image, forwards, *options, memory="16M"):
        self.net = Netns()
        self.world = world
        command = [*plain_user(world), KILN, "run", image, "-m", memory, *options]
        for forward in forwards:
            command += ["-p", forward]
        if world.monitor:
            command += ["--monitor", world.monitor]
        self.process = Process(*command, name=f"usernet-{image_name(image)}", netns=self.net)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and not self.process.stopped:
                check_equal(self.process.stop(), 0, "exit status after Ctrl-C")
        finally:
            self.process.end()
            self.net.close()

    def port(self, guest, protocol="tcp"):
        """That the system has chosen."""
        def told():
            self.process.check_alive()
            return re.search(rf"{protocol} port {guest} of the image is port (\d+) here",
                             self.process.text())
        return int(wait_for(told, "the port told").group(1))

    def connect(self, guest=80, family=socket.AF_INET, timeout=60):
        with self.net:
            return socket.create_connection((FAMILIES[family], self.port(guest)), timeout)

    def curl(self, path, *arguments, family=socket.AF_INET):
        host = FAMILIES[family]
        host = f"[{host}]" if ":" in host else host
        with self.net:
            return run("curl", "-gsS", "--fail", "--max-time", 60, *arguments,
                       f"http://{host}:{self.port(80)}{path}", text=False).stdout

    def helper(self):
        """The process of the network."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            for pid in children.read().split():
                with open(f"/proc/{pid}/comm") as name:
                    if name.read().strip() == "kiln-usernet":
                        return int(pid)
        return None
