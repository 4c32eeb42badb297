"""A TCP peer that does as it is told, segment by segment, made with scapy: for the suite net.

It is at Linux's address, but Linux's own TCP hears nothing of its ports, and so says nothing.
"""

import logging
import socket
import time

from harness import Failed, check_equal, run
from linked import PATIENCE, PORT

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.layers.inet import IP, TCP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402

PORTS = range(20000, 21000)  # that Linux chooses none of
ETH_P_ALL = 3
ANSWER = 10  # seconds for an answer, which is due at once
LINUX_IS_DEAF = f"""table inet deaf {{
    chain input {{
        type filter hook input priority 0;
        tcp dport {{ {PORT}, {PORTS.start}-{PORTS.stop - 1} }} drop
    }}
}}"""


def make_deaf(net):
    with net:
        run("nft", "-f", "-", input=LINUX_IS_DEAF)


class Peer:
    _next = 0

    def __init__(self, world, net, port, own_port=None):
        """`port`: of the image; `own_port`: for when it is the image that connects."""
        self.world = world
        with net:
            self.link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                      socket.htons(ETH_P_ALL))
            self.link.bind(("link0", ETH_P_ALL))
        self.port, self.own_port = port, own_port or PORTS[Peer._next % len(PORTS)]
        Peer._next += 1
        self.network = IP if world.version == 4 else IPv6
        self.seq, self.ack = 1000, 0  # what we send next, and what we expect
        self.mac = None

    def find(self):
        """The image's link address."""
        out = run("ip", f"-{self.world.version}", "neighbour", "show", self.world.address).stdout
        self.mac = out.split("lladdr ")[1].split()[0]
        return self

    def packet(self, flags, data=b"", seq=None, ack=None, options=(), window=65535, **fields):
        """A whole frame, of a segment where the last one ended."""
        own = ":".join(f"{byte:02x}" for byte in self.link.getsockname()[4])
        return (Ether(src=own, dst=self.mac) /
                self.network(src=self.world.client, dst=self.world.address) /
                TCP(sport=self.own_port, dport=self.port, flags=flags, window=window,
                    seq=(self.seq if seq is None else seq) % 2**32,
                    ack=(self.ack if ack is None else ack) % 2**32,
                    options=list(options), **fields) / data)

    def put(self, packet):
        self.link.send(bytes(packet))

    def send(self, flags, data=b"", **fields):
        """The next segment of the connection."""
        self.put(self.packet(flags, data, **fields))
        self.seq += len(data) + ("S" in flags) + ("F" in flags)

    def probe(self, flags, data=b"", **fields):
        """A segment that the connection does not count."""
        self.put(self.packet(flags, data, **fields))

    def segments(self, seconds):
        """What the image sends to us, until then."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.link.settimeout(left)
            try:
                frame = self.link.recv(65536)
            except TimeoutError:
                return
            packet = Ether(frame)
            if TCP not in packet or packet[TCP].dport != self.own_port or \
                    packet.src == packet.dst or self.network not in packet or \
                    packet[self.network].src != self.world.address:
                continue
            self.mac = packet.src
            yield packet[TCP]

    def expect(self, flags, seconds=ANSWER):
        """The next segment with just these flags, but for PSH; others may come before it."""
        seen = []
        for segment in self.segments(seconds):
            seen.append(str(segment.flags))
            if set(seen[-1]) - {"P"} == set(flags):
                return segment
        raise Failed(f"no segment with the flags {flags}; there were {seen}")

    def expect_open(self):
        """The image's SYN."""
        syn = self.expect("S", PATIENCE)
        self.port, self.ack = syn.sport, syn.seq + 1
        return syn

    def open(self, **fields):
        self.find()
        self.send("S", **fields)
        answer = self.expect("SA")
        check_equal(answer.ack, self.seq % 2**32, "what a SYN-ACK acknowledges")
        self.ack = answer.seq + 1
        return answer

    def establish(self, **fields):
        self.open(**fields)
        self.send("A", **fields)
        return self

    def ask(self, data):
        """What comes back for it."""
        self.send("PA", data)
        got = b""
        while len(got) < len(data):
            segment = self.expect("A")
            body = bytes(segment.payload)[:length_of(segment)]
            if segment.seq == self.ack % 2**32 and body:
                got += body
                self.ack += len(body)
                self.probe("A")
        return got

    def expect_gone(self):
        """The image knows of no such connection: it says so to a segment of it."""
        self.probe("A", ack=self.ack + 77)
        check_equal(self.expect("R").seq, (self.ack + 77) % 2**32, "what a RST is at")

    def expect_there(self):
        """A SYN is answered by a challenge (RFC 5961, 4)."""
        self.probe("S", seq=self.seq + 5)
        answer = self.expect("A")
        check_equal(answer.ack, self.seq % 2**32, "what the challenge acknowledges")

    def close(self):
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def length_of(segment):
    """Of its data: short frames have padding behind it."""
    network = segment.underlayer
    if isinstance(network, IP):
        return network.len - network.ihl * 4 - segment.dataofs * 4
    return network.plen - segment.dataofs * 4
