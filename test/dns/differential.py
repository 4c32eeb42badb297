"""The same zones in BIND, NSD, Knot and Kiln, and the same queries to all of them.

KILN_DNS_SEED is the seed of the queries, KILN_DNS_QUERIES how many there are; on host, with the
same answers in front of sockets, a fifth of them. What servers may do in different ways stands in
test/dns_compare.py.
"""

import contextlib
import os
import random

import dns_client
import dns_compare
import dns_image
import dns_peers
import dns_queries
import dns_wire
import dns_zones
import nameservers
from harness import Failed
from worlds import WORLDS as ALL_WORLDS

LONG = True
WORLDS = [world for world in ALL_WORLDS if not world.slow]
SEED = int(os.environ.get("KILN_DNS_SEED", 1))
COUNT = int(os.environ.get("KILN_DNS_QUERIES", 100_000))
SHOWN = 3  # mismatches
W = dns_client.WINDOW


class Differential:
    """Queries from a seed, to all of the servers, and what they answer. `places6`: where to
    ask instead every other time, which is another address of Kiln's."""

    def __init__(self, net, places, places6, origins, seed):
        self.net = net
        self.places = places
        self.ways = [places, places6]
        self.comparison = dns_compare.Comparison(list(places))
        with net:
            self.zones = [dns_queries.Zone(dns_peers.transferred(*places["bind"], origin))
                          for origin in origins]
            self.clients = [[dns_client.Udp(*place) for place in way.values()]
                            for way in self.ways]
        self.generator = dns_queries.Generator(random.Random(seed), self.zones)
        self.seed = seed
        self.sent = 0
        self.wrong = []

    def window(self, make, size=W):
        """So many queries, with numbers that none of the last ones had."""
        self.sent += size
        return [make(number % 65536) for number in range(self.sent - size, self.sent)]

    def turn(self):
        """By IPv4 and by IPv6."""
        return self.sent // W % 2

    def by_udp(self, count):
        for _ in range(0, count, W):
            self.ask(self.window(self.generator.valid))

    def by_tcp(self, count):
        for _ in range(0, count, W):
            self.ask_by_tcp(self.window(lambda number: self.generator.valid(number, by_tcp=True)))

    def each(self, questions, ask):
        rest = iter(questions)
        for at in range(0, len(questions), W):
            ask(self.window(lambda number: dns_wire.query(number, *next(rest)),
                            min(W, len(questions) - at)))

    def ask(self, queries):
        for query, wires in dns_client.ask_all(self.clients[self.turn()], queries):
            self.judge(self.comparison.agree(query, wires), query, wires)

    def ask_by_tcp(self, queries):
        with self.net:
            answers = [dns_client.ask_by_tcp(*place, queries)
                       for place in self.ways[self.turn()].values()]
        for query in queries:
            wires = [found.get(dns_client.number_of(query)) for found in answers]
            self.judge(self.comparison.agree(query, wires, True), query, wires)

    def malformed(self, count, server):
        for _ in range(0, count, 4 * W):  # which wait for silence
            queries = self.window(self.generator.odd, 4 * W)
            for query, wires in dns_client.ask_all(self.clients[0], queries, times=2):
                self.judge(self.comparison.among(query, wires, server), query, wires)

    def judge(self, agree, query, wires):
        if not agree:
            self.wrong.append((query, wires))

    def end(self):
        for client in sum(self.clients, []):
            client.close()
        print(f"# seed {self.seed}")
        for note in self.comparison.notes():
            print(f"# {note}", flush=True)
        if self.wrong:
            raise Failed(f"{len(self.wrong)} of {self.comparison.total} answers differ, seed "
                         f"{self.seed}:\n" + "".join(map(self.show, self.wrong[:SHOWN])))

    def show(self, wrong):
        query, wires = wrong
        return f"---- the query\n{dns_wire.show(query)}\n" + "".join(
            f"---- {server}\n{dns_wire.show(wire)}\n"
            for server, wire in zip(self.places, wires))


@contextlib.contextmanager
def servers(world, seed):
    """The queries' way to BIND, NSD, Knot and an image, which have the same zones."""
    settings = ["--transfer", "any", "--version", nameservers.SAYS["version"], "--identity",
                nameservers.SAYS["host"]]
    with dns_image.Image(world, dns_zones.write, *settings) as image, \
            dns_peers.Three(image.net, {origin: dns_zones.path(image.zones, origin)
                                        for origin in image.origins}) as three:
        places = {peer.server.name: (peer.address, peer.port) for peer in three.peers}
        places["kiln"] = image.address, image.port
        places6 = {**places, "kiln": (image.address6, image.port)}
        yield Differential(image.net, places, places6, image.origins, seed)


def test_answers(world):
    """BIND, NSD, Knot and Kiln answer 100,000 queries alike (host: 20,000), by UDP and TCP"""
    count = COUNT // 5 if world.target == "host" else COUNT
    with servers(world, SEED) as differential:
        differential.by_udp(count * 9 // 10)
        differential.by_tcp(count // 10)
        # By UDP BIND says three times a second who it is.
        differential.each(dns_queries.of_servers(), differential.ask_by_tcp)
        differential.each(dns_queries.of_transfers(differential.zones), differential.ask)
        differential.end()


def test_malformed(world):
    """what is malformed, or no query, is answered as one of the others answers it, or not"""
    with servers(world, SEED + 1) as differential:
        differential.malformed(min(COUNT, 10_000), "kiln")
        differential.end()
