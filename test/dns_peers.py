"""Other name servers beside an image, in the namespace of its clients: BIND has the zones from
their files, NSD and Knot, which know fewer types and no $GENERATE, take them from BIND.
"""

import os
import socket
import tempfile
import struct

import dns_client
import dns_wire
import nameservers
from harness import Process, Skip, wait_for

LOCAL = "127.0.0.1"
PORTS = {"bind": 5301, "nsd": 5302, "knot": 5303}


def need():
    for server in nameservers.ALL:
        if server.missing():
            raise Skip(server.missing())


def has_zone(address, port, origin):
    return dns_client.answers_soa(address, port,
                                  dns_wire.query(1, dns_wire.name(origin), dns_wire.SOA))


class Peer:
    """A name server that runs in a namespace, until it is closed."""

    def __init__(self, server, net, zones, address=LOCAL, port=None):
        self.server, self.net = server, net
        self.address, self.port = address, port or PORTS[server.name]
        self.folder = tempfile.TemporaryDirectory(prefix=f"kiln-{server.name}-")
        os.makedirs(os.path.join(self.folder.name, "knot"))
        self.zones = zones
        self.process = None
        self.start()

    def start(self):
        command = self.server.command(self.folder.name, self.zones, self.address, self.port)
        self.process = Process(*command, name=self.server.name, netns=self.net)

    def wait(self, seconds=20):
        """Until it has all its zones."""
        with self.net:
            for zone in self.zones:
                wait_for(lambda origin=zone.origin: self.process.check_alive() or
                         has_zone(self.address, self.port, origin),
                         f"{zone.origin} in {self.server.name}", seconds)
        return self

    def close(self):
        self.process.end()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Three:
    """All of them, with the same zones."""

    def __init__(self, net, files):
        """`files`: by origin."""
        bind, nsd, knot = nameservers.ALL
        own = [nameservers.Zone(origin, file) for origin, file in files.items()]
        of_bind = nameservers.Peer(LOCAL, PORTS["bind"])
        taken = [nameservers.Zone(origin, primary=of_bind) for origin in files]
        self.peers = [Peer(bind, net, own).wait()]
        self.peers += [Peer(server, net, taken) for server in (nsd, knot)]
        for peer in self.peers:
            peer.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in self.peers:
            peer.close()


def transferred(address, port, origin):
    """The records of a zone (AXFR, RFC 5936), in their order; the last is the first again."""
    query = dns_wire.query(1, dns_wire.name(origin), dns_wire.AXFR)
    found = []
    with socket.create_connection((address, port), 10) as connection:
        connection.sendall(struct.pack(">H", len(query)) + query)
        with connection.makefile("rb") as stream:
            for message in dns_client.messages(stream):
                found += dns_wire.read_answers(message)
                if len(found) > 1 and found[-1] == found[0]:
                    return found
    return found
