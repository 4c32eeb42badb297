"""Zone transfers: an image behind a hidden primary, BIND or Knot, and in front of other
secondaries. Whole (RFC 5936) and by differences (RFC 1995), told of by NOTIFY (RFC 1996), signed
by TSIG (RFC 8945); without the key, and from a primary that dies.
"""

import contextlib
import os
import signal
import socket
import struct
import tempfile
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.zone

import dns_client
import dns_image
import dns_tsig
import dns_wire
import nameservers
from dns_peers import Peer
from harness import Failed, check, check_equal, wait_for
from nameservers import Key, Zone
from worlds import ADDRESS, CLIENT
from worlds import WORLDS as ALL_WORLDS
from worlds import ip

WORLDS = [world for world in ALL_WORLDS if not world.slow]
ORIGIN, OWN = "moved.test", "own.test"  # of the primary; of the image itself
KEY = Key("transfer.key", "c2VjcmV0IG9mIHR3byBzZXJ2ZXJzIG9mIGEgdGVzdA==")
OTHER = Key("transfer.key", "YW5vdGhlciBzZWNyZXQsIG9mIHRoZSBzYW1lIG5hbWU=")
STRANGE = Key("strange.key", KEY.secret)
SERVERS = {server.name: server for server in nameservers.ALL}
BEHIND = "10.7.0.3"  # where other secondaries are
IMAGE = nameservers.Peer(ADDRESS, 53, KEY)
SOON = 20  # seconds
NOTAUTH = 9
WRONG_CLOCKS = (-3600, 3600)  # by so much
# Who does not sign what it says of a wrong clock, as RFC 8945, section 5.2.3, wants it to.
UNSIGNED = {"nsd"}


def zone_text(serial, records, refresh=1000):
    """With more records than one message has. A secondary looks again after `refresh` seconds,
    or when it is told."""
    lines = ["$TTL 300", f"@ SOA ns hostmaster {serial} {refresh} 1 10000 60", "@ NS ns",
             "ns A 192.0.2.1",
             *(f"host{n} A 10.1.{n >> 8}.{n & 255}" for n in range(records)),
             *(f"text{n} TXT \"{'x' * 200}\"" for n in range(records))]
    return "\n".join(lines) + "\n"


class Primary(Peer):
    """Has the zone from a file, which can be changed."""

    def __init__(self, name, net, key, records=400):
        self.place = tempfile.TemporaryDirectory(prefix="kiln-primary-")
        self.file = os.path.join(self.place.name, f"{ORIGIN}.zone")
        os.chmod(self.place.name, 0o755)
        self.write(1, records)
        to = nameservers.Peer(ADDRESS, 53, key)
        super().__init__(SERVERS[name], net,
                         [Zone(ORIGIN, self.file, secondaries=[to], key=key)], CLIENT, 53)
        self.wait()

    def write(self, serial, records):
        with open(self.file, "w", encoding="ascii") as file:
            file.write(zone_text(serial, records))

    def change(self, serial, records):
        self.write(serial, records)
        self.process.popen.send_signal(signal.SIGHUP)  # it reads its zones again

    def close(self):
        super().close()
        self.place.cleanup()


def own_zone(folder):
    with open(os.path.join(folder, f"{OWN}.zone"), "w", encoding="ascii") as file:
        file.write(zone_text(1, 400))
    return [OWN]


@contextlib.contextmanager
def secondary(world, key, *settings):
    """An image that has a zone of its own, and another from a primary at its clients' address,
    who may be there later."""
    keys = ["--keys", f"hmac-sha256:{key.name}:{key.secret}"] if key else []
    by_key = f"/{key.name}" if key else ""
    allowed = f"key:{key.name}" if key else "any"
    with dns_image.Image(world, own_zone, *keys, "--transfer", allowed, "--secondary",
                         f"{ORIGIN}={CLIENT}{by_key}", *settings) as image, image.net:
        yield image


def serial_at(place, origin=ORIGIN):
    """The serial that a server answers with; None if it has no zone."""
    query = dns_wire.query(1, dns_wire.name(origin), dns_wire.SOA)
    answer = dns_client.ask_once(place.address, place.port, query)
    if not answer or answer[3] & 15:
        return None
    found = dns_wire.read_answers(answer)
    return struct.unpack_from(">I", found[0].rdata, len(found[0].rdata) - 20)[0]


def wait_for_serial(place, serial, what):
    wait_for(lambda: serial_at(place) == serial, f"serial {serial} at {what}", SOON, 0.05)


def axfr(place, key, origin=ORIGIN):
    """The zone as dnspython takes it, which checks all signatures."""
    ring = key and dns.tsigkeyring.from_text({key.name: (dns.tsig.HMAC_SHA256, key.secret)})
    zone = dns.zone.from_xfr(dns.query.xfr(place.address, origin, port=place.port, keyring=ring,
                                           timeout=10, lifetime=20))
    return {(owner, rdata.rdtype, rdata) for owner, _, rdata in zone.iterate_rdatas()}


def check_follows(world, name):
    with secondary(world, KEY) as image, Primary(name, image.net, KEY) as primary:
        wait_for_serial(image, 1, "the image")
        check_equal(axfr(image, KEY), axfr(primary, KEY), "the zone")
        for serial, records in ((2, 401), (3, 390)):
            primary.change(serial, records)
            wait_for_serial(image, serial, "the image")
        check_equal(axfr(image, KEY), axfr(primary, KEY), "the zone that was changed")
        check("IXFR" in primary.process.text(), f"{name} was asked for differences")


def clock_error(place, by):
    """What a server answers to a query that a wrong clock has signed, with its own time in it
    (RFC 8945, section 5.2.3)."""
    when = int(time.time()) + by
    wire, mac = dns_tsig.sign(dns_wire.query(1, dns_wire.name(OWN), dns_wire.SOA), KEY, when)
    answer = dns_client.ask_once(place.address, place.port, wire, SOON)
    check(answer, f"no answer at {place.address} to who is wrong by {by} s")
    rcode, tsig, signed = dns_tsig.read(answer, KEY, mac)
    own = int.from_bytes(tsig.other, "big")
    return (rcode, tsig.error, tsig.time == when,
            len(tsig.other) == 6 and abs(own - time.time()) < SOON, signed)


def check_wrong_clocks(image, peer, name):
    for by in WRONG_CLOCKS:
        says = clock_error(image, by)
        check_equal(says, (NOTAUTH, dns_tsig.BADTIME, True, True, True),
                    "code, error, time as asked, own time, signature")
        check_equal(clock_error(peer, by), (*says[:4], name not in UNSIGNED),
                    f"the same at {name}")


def test_behind_bind(world):
    """behind BIND, an image takes a zone, is told of changes, and takes the differences"""
    check_follows(world, "bind")


def test_behind_knot(world):
    """behind Knot, an image takes a zone, is told of changes, and takes the differences"""
    check_follows(world, "knot")


def test_in_front(world):
    """BIND, NSD and Knot take an image's zones, follow others, and see a wrong clock as it does"""
    with secondary(world, KEY, "--notify", f"{BEHIND}/{KEY.name}") as image:
        ip(f"address add {BEHIND}/24 dev {image.interface}")
        with Primary("bind", image.net, KEY) as primary:
            wait_for_serial(image, 1, "the image")
            for name, server in SERVERS.items():
                zones = [Zone(origin, primary=IMAGE) for origin in (OWN, ORIGIN)]
                with Peer(server, image.net, zones, BEHIND, 53) as peer:
                    peer.wait()
                    check_equal(axfr(peer, None, OWN), axfr(image, KEY, OWN), f"{OWN} at {name}")
                    serial = serial_at(image) + 1
                    primary.change(serial, 400 + serial)
                    wait_for_serial(peer, serial, name)
                    check_equal(axfr(peer, None), axfr(primary, KEY), f"{ORIGIN} at {name}")
                    check_wrong_clocks(image, peer, name)


def test_refused(world):
    """without the key, with another secret or another name of it, there is no transfer"""
    with secondary(world, KEY) as image:
        for key, code in ((None, None), (OTHER, dns.rcode.BADSIG), (STRANGE, dns.rcode.BADKEY)):
            try:
                axfr(image, key, OWN)
            except (dns.exception.DNSException, EOFError) as error:
                check_equal(refusal(error), code, f"to {key}: {error!r}")
            else:
                raise Failed(f"the zone is given to {key}")
        check(len(axfr(image, KEY, OWN)) > 800, "with the key it is not")
        with Primary("bind", image.net, OTHER) as primary:
            wait_for(lambda: "BADSIG" in primary.process.text(), "BIND refuses the image", SOON)
            check_equal(serial_at(image), None, "the serial of a zone that nobody gave")


def refusal(error):
    return {dns.tsig.PeerBadSignature: dns.rcode.BADSIG, dns.tsig.PeerBadKey: dns.rcode.BADKEY,
            dns.tsig.PeerBadTime: dns.rcode.BADTIME}.get(type(error))


class Scripted:
    """A primary that does what a test says: in threads, by UDP and TCP."""

    def __init__(self):
        self.serial = 1
        self.whole = True  # or the connection is closed in the middle of a transfer
        self.broken = 0  # so many were
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((CLIENT, 53))
        self.tcp = socket.create_server((CLIENT, 53))
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def zone(self):
        return dns.zone.from_text(zone_text(self.serial, 200, refresh=2), ORIGIN, relativize=False)

    def answer(self, query, rrsets):
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        response.answer = rrsets
        return response.to_wire(max_size=65535)

    def soa(self, zone):
        return dns.rrset.from_rdata_list(zone.origin, 300,
                                         zone.find_rdataset(zone.origin, "SOA"))

    def serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                wire, client = self.udp.recvfrom(65536)
                if client is None:
                    return
                query = dns.message.from_wire(wire)
                self.udp.sendto(self.answer(query, [self.soa(self.zone())]), client)

    def serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                with connection, contextlib.suppress(ConnectionError):
                    self.serve(connection)

    def serve(self, connection):
        """A whole zone in two messages, whatever is asked for; or the SOA."""
        with connection.makefile("rb") as stream:
            for wire in dns_client.messages(stream):
                query = dns.message.from_wire(wire)
                zone = self.zone()
                soa = self.soa(zone)
                if query.question[0].rdtype == dns.rdatatype.SOA:
                    self.send(connection, self.answer(query, [soa]))
                    continue
                sets = [dns.rrset.from_rdata_list(owner, rdataset.ttl, rdataset)
                        for owner, rdataset in zone.iterate_rdatasets()
                        if rdataset.rdtype != dns.rdatatype.SOA]
                half = len(sets) // 2
                self.send(connection, self.answer(query, [soa, *sets[:half]]))
                if not self.whole:
                    self.broken += 1
                    return
                self.send(connection, self.answer(query, [*sets[half:], soa]))

    @staticmethod
    def send(connection, wire):
        connection.sendall(struct.pack(">H", len(wire)) + wire)

    def close(self):
        for end in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def test_dies(world):
    """what a primary began to send before it died is forgotten, and taken again later"""
    with secondary(world, None) as image, Scripted() as primary:
        wait_for_serial(image, 1, "the image")
        before = axfr(image, None)
        primary.whole = False
        primary.serial = 2
        wait_for(lambda: primary.broken > 1, "the image tries again", SOON)
        check_equal(serial_at(image), 1, "the serial")
        check_equal(axfr(image, None), before, "the zone")
        primary.whole = True
        wait_for_serial(image, 2, "the image")
