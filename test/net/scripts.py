"""What Linux would not send: a RST in each state, odd flags and odd options, by scapy."""

import random

from scapy.layers.inet import IP, TCP, IPOption, fragment
from scapy.layers.inet6 import (IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting)
from scapy.packet import Raw

from harness import Netns, check_equal
from linked import JAILED, PATIENCE, PORT, check_echo, wait_said
from scripted import Peer, length_of, make_deaf

WORLDS = JAILED
REQUEST = b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
FUZZED = 1500


class Scene:
    """An image, and what is needed to play a peer of its."""

    def __init__(self, world, name, port):
        self.world, self.port = world, port
        self.image = world.start(world.build(name)).wait_up(port)
        make_deaf(self.image.net)

    def peer(self):
        return Peer(self.world, self.image.net, self.port)

    def check_serves(self):
        with self.image.net, self.world.connect(self.port, PATIENCE) as s:
            check_echo(s, b"served" * 100)

    def __enter__(self):
        self.image.net.__enter__()
        return self

    def __exit__(self, *what):
        self.image.net.__exit__(*what)
        self.image.__exit__(*what)


def reset(peer):
    """At the one place where it counts."""
    peer.probe("R")
    peer.expect_gone()


def test_reset_syn_received(world):
    """a RST in SYN-RECEIVED and in ESTABLISHED ends the connection"""
    with Scene(world, "echo", 7) as scene:
        with scene.peer() as peer:
            peer.open()
            reset(peer)
        with scene.peer() as peer:
            peer.establish()
            check_equal(peer.ask(b"hello"), b"hello", "what came back")
            reset(peer)
        scene.check_serves()


def test_reset_after_fin(world):
    """a RST in CLOSE-WAIT and in LAST-ACK ends the connection"""
    with Scene(world, "echo", 7) as scene:
        with scene.peer() as peer:
            peer.establish(window=0)  # what comes back stays there, and the FIN behind it
            peer.send("PA", b"to be kept", window=0)
            peer.expect("A")
            peer.send("FA", window=0)
            peer.expect("A")
            reset(peer)
        with scene.peer() as peer:
            peer.establish()
            peer.send("FA")
            peer.expect("FA")
            reset(peer)
        scene.check_serves()


def finished(peer):
    """The image closes first, and its FIN is not acknowledged yet: FIN-WAIT-1."""
    peer.establish()
    peer.send("PA", REQUEST)
    fin = peer.expect("FA")
    peer.ack = fin.seq + length_of(fin)


def test_reset_after_own_fin(world):
    """a RST in FIN-WAIT-1, FIN-WAIT-2 and CLOSING ends the connection"""
    with Scene(world, "web", 80) as scene:
        with scene.peer() as peer:
            finished(peer)
            reset(peer)
        with scene.peer() as peer:
            finished(peer)
            peer.ack += 1
            peer.send("A")
            peer.expect_there()
            reset(peer)
        with scene.peer() as peer:
            finished(peer)
            peer.send("FA")
            peer.expect("A")
            reset(peer)


def test_reset_time_wait(world):
    """a RST in TIME-WAIT changes nothing (RFC 1337)"""
    with Scene(world, "web", 80) as scene, scene.peer() as peer:
        finished(peer)
        peer.ack += 1
        peer.send("FA")
        peer.expect("A")
        peer.probe("R")
        peer.probe("FA", seq=peer.seq - 1)
        check_equal(peer.expect("A").ack, peer.seq % 2**32, "what is acknowledged again")


def test_reset_syn_sent(world):
    """a RST in SYN-SENT refuses the connection if it is for the SYN, and else is ignored"""
    net = Netns()
    make_deaf(net)
    with world.start_caller(net=net) as caller, Peer(world, net, 0, PORT) as peer:
        peer.expect_open()
        peer.probe("RA", ack=peer.ack + 1)
        peer.probe("R")
        check_equal(peer.expect("S", PATIENCE).seq, peer.ack - 1, "the SYN again")
        peer.probe("RA")
        wait_said(caller, "caller: connection refused")


def test_blind_attacks(world):
    """a RST or a SYN that is a guess ends nothing (RFC 5961)"""
    with Scene(world, "echo", 7) as scene:
        for flags, ahead in (("R", 1), ("RA", 1000), ("S", 0), ("S", 1000)):
            with scene.peer() as peer:
                peer.establish()
                peer.probe(flags, seq=peer.seq + ahead)
                check_equal(peer.expect("A").ack, peer.seq, f"the answer to {flags}, {ahead}")
                check_equal(peer.ask(b"unhurt"), b"unhurt", "what came back")
        with scene.peer() as peer:
            peer.establish()
            peer.probe("R", seq=peer.seq - 1)
            peer.probe("R", seq=peer.seq + 1_000_000_000)
            peer.probe("A", b"x", ack=peer.ack + 1_000_000)
            check_equal(peer.ask(b"unhurt"), b"unhurt", "what came back")


def test_simultaneous_open(world):
    """a SYN that crosses the image's own opens one connection, both ways (RFC 9293, 3.5)"""
    net = Netns()
    make_deaf(net)
    with world.start_caller(net=net) as caller, Peer(world, net, 0, PORT) as peer:
        peer.expect_open()
        peer.send("S", ack=0)
        check_equal(peer.expect("SA").ack, peer.seq, "what its SYN-ACK acknowledges")
        peer.probe("SA", seq=peer.seq - 1)
        check_equal(peer.ask(b"crossed"), b"crossed", "what came back")
        peer.send("FA")
        peer.expect("FA")
        peer.ack += 1
        peer.send("A")
        wait_said(caller, "caller: 1 of 1 went well")


FLAGS = ["", "F", "P", "U", "FPU", "SF", "SR", "SU", "SFR", "FSRPAUEC", "EC", "SEC", "SAF", "R",
         "RA", "FA", "PA"]


def test_flags_to_listener(world):
    """no combination of flags disturbs a listening port"""
    with Scene(world, "echo", 7) as scene:
        for flags in FLAGS:
            with scene.peer() as peer:
                peer.find().probe(flags)
                peer.probe(flags, b"data")
        scene.check_serves()


def test_flags_within_connection(world):
    """segments without ACK, or with odd flags, do not disturb a connection"""
    with Scene(world, "echo", 7) as scene, scene.peer() as peer:
        peer.establish()
        for flags in ("", "F", "P", "U", "FPU", "SF", "SEC", "SAF", "EC"):
            peer.probe(flags, b"data")
        check_equal(peer.ask(b"in order"), b"in order", "what came back")


OPTIONS = {
    "an option of length 0": b"\x02\x00\x05\xb4",
    "an option of length 1": b"\x02\x01\x05\xb4",
    "an option beyond the header": b"\x02\x28\x05\xb4",
    "an option cut at its kind": b"\x01\x01\x01\x02",
    "an MSS of 0": b"\x02\x04\x00\x00",
    "an MSS of 65535": b"\x02\x04\xff\xff",
    "an MSS of 3 bytes": b"\x02\x03\x05\x00",
    "two MSS": b"\x02\x04\x05\xb4\x02\x04\x00\x40",
    "a window scale of 255": b"\x03\x03\xff\x00",
    "SACK-permitted with data": b"\x04\x03\x00\x01",
    "SACK blocks in a SYN": b"\x05\x0a" + b"\xff" * 8 + b"\x01\x01",
    "a SACK block of 3 bytes": b"\x05\x05\x01\x02\x03\x00\x00\x00",
    "timestamps of 6 bytes": b"\x08\x06" + b"\x00" * 4 + b"\x01\x01",
    "unknown options": b"\xfd\x04\x12\x34\xfe\x02\x4c\x06\x01\x02\x03\x04" + b"\x01" * 4,
    "MD5": b"\x13\x12" + b"\xaa" * 16 + b"\x01\x01",
    "Fast Open with an odd cookie": b"\x22\x05\x01\x02\x03\x01\x01\x01",
    "40 NOPs": b"\x01" * 40,
    "an end, and rubbish behind it": b"\x00\xff\xff\xff\x02\x04\x00\x00",
}


def with_options(peer, flags, raw, data=b""):
    """A segment with these bytes as its options."""
    packet = peer.packet(flags, dataofs=5 + len(raw) // 4)
    return packet / Raw(raw + data)


def test_options(world):
    """no options, be they malformed, disturb a listening port or a connection"""
    with Scene(world, "echo", 7) as scene:
        with scene.peer() as established:
            established.establish()
            for raw in OPTIONS.values():
                with scene.peer() as peer:
                    peer.find().put(with_options(peer, "S", raw))
                established.put(with_options(established, "A", raw))
            check_equal(established.ask(b"unmoved"), b"unmoved", "what came back")
        scene.check_serves()


def test_odd_order(world):
    """segments that overlap, come in no order, twice, damaged or urgent make one stream"""
    text = bytes(range(200))
    with Scene(world, "echo", 7) as scene, scene.peer() as peer:
        peer.establish()
        start = peer.seq
        for first, end in ((150, 200), (50, 120), (0, 0), (100, 160), (50, 120), (1, 60)):
            peer.probe("PAU" if first == 100 else "PA", text[first:end], seq=start + first,
                       urgptr=7)
        peer.probe("PA", b"wrong", chksum=0x1234)
        peer.probe("PA", b"?" * 10, seq=start - 10)  # old
        peer.probe("PA", text[:1])
        got = b""
        while len(got) < len(text):
            segment = peer.expect("A")
            body = bytes(segment.payload)[:length_of(segment)]
            if segment.seq == peer.ack and body:
                got, peer.ack = got + body, peer.ack + len(body)
        check_equal(got, text, "the stream that came back")


def test_network_headers(world):
    """segments behind options, extension headers and in fragments arrive, or do no harm"""
    with Scene(world, "echo", 7) as scene, scene.peer() as peer:
        peer.establish()
        data = b"z" * 400
        packet = peer.packet("PA", data)
        if world.version == 4:
            for piece in reversed(fragment(packet, 64)):
                peer.put(piece)
            for option in (b"\x07\x07\x04" + bytes(4), b"\x83\x07\x04" + bytes(4), b"\x44\x00",
                           b"\x01" * 8, b"\x94\x04\x00\x00", b"\xff\xff"):
                odd = peer.packet("A")
                odd[IP].options = [IPOption(option)]
                peer.put(odd)
        else:
            for header in (IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(id=7),
                           IPv6ExtHdrRouting(), IPv6ExtHdrFragment(id=8, m=1, offset=3)):
                segment = packet[TCP].copy()
                odd = packet.copy()
                odd[peer.network].remove_payload()
                peer.put(odd / header / segment)
        peer.seq += len(data)
        got = 0
        while got < len(data):
            segment = peer.expect("A")
            if segment.seq == peer.ack:
                got += length_of(segment)
                peer.ack += length_of(segment)
        scene.check_serves()


def test_fuzzed(world):
    """segments with random bits changed, their checksum right again, end no server"""
    rng = random.Random(9)
    with Scene(world, "echo", 7) as scene, scene.peer() as peer:
        peer.establish()
        template = peer.packet("PA", b"fuzz" * 5, options=[("Timestamp", (1, 2)), ("NOP", None),
                                                          ("NOP", None)])
        header = bytes(template[TCP])
        for _ in range(FUZZED):
            changed = bytearray(header)
            for _ in range(rng.randint(1, 4)):
                changed[rng.randrange(4, len(changed))] ^= 1 << rng.randrange(8)
            changed[16:18] = b"\0\0"
            packet = template.copy()
            segment = TCP(bytes(changed))
            del segment.chksum
            packet[peer.network].remove_payload()
            peer.put(packet / segment)
        scene.check_serves()
