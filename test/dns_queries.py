"""Queries for name servers, from a seed: of names that are in their zones, nearly in them, below
their wildcards, cuts and aliases, or nowhere; of every type; with all that a header and EDNS can
say; and messages that are none.
"""

import struct

import dns_wire
from dns_wire import (A, AD, ANY, AXFR, CD, CHAOS, CNAME, DNAME, DS, IN, IXFR, NS, OPT, QR, RD,
                      SOA, TC, TXT, labels_of, name, opt, option, query)

COMMON = [1, 28, 15, 16, NS, SOA, CNAME, DS, 48, 33, 255, 47, 51, 46, DNAME, 257, 65]
META = [OPT, 249, 250, 252, 253, 254]  # TKEY, TSIG, AXFR, MAILB, MAILA; IXFR is by transfer.py
TYPES = [*range(0, 110), 249, 250, *range(252, 264), 32768, 32769, 62347, 65280, 65281, 65534,
         65535]
WORDS = [name(word)[:-1] for word in
         ("www", "mail", "a", "b", "x", "*", "cname", "sub", "host", "w", "some", "ns", "zzz",
          "under_score", "-", "0", "l" * 63)]
STAR = b"\1*"
# What a server says of itself, of class CHAOS (RFC 4892), and what it does not.
SERVERS = [name(text) for text in ("version.bind", "hostname.bind", "version.server", "id.server",
                                   "VERSION.Bind", "Id.sErver", "authors.bind", "bind", "server",
                                   "a.version.bind")]
SIZES = [0, 511, 512, 513, 1232, 1231, 1400, 4096, 65535]


class Zone:
    """What a zone has, as a transfer told it: names, their types, and names above them."""

    def __init__(self, records):
        self.origin = records[0].owner
        self.types = {}
        for record in records:
            self.types.setdefault(record.owner, set()).add(record.type)
        self.names = sorted(self.types)
        above = {up for one in self.names for up in dns_wire.parents(one)
                 if up.endswith(self.origin)}
        self.above = sorted(above)
        self.wild = [one for one in self.names if one.startswith(STAR)]
        self.below = [one for one in self.names
                      if self.types[one] & {NS, DNAME} and one != self.origin]


def of_servers():
    """Questions about the server itself; what query() takes behind a number."""
    extras = [b"", opt(), opt(do=True), opt(4096, options=option(3))]
    return [(qname, qtype, qclass, RD, extra) for qname in SERVERS for qtype in (TXT, ANY, A)
            for qclass in (CHAOS, IN) for extra in extras]


def of_transfers(zones):
    """AXFR, of zones, and of names in them and elsewhere."""
    names = [one for zone in zones for one in (zone.origin, zone.names[-1], STAR + zone.origin)]
    return [(qname, AXFR, IN, 0, extra) for qname in [*names, b"\0", name("example.org")]
            for extra in (b"", opt(do=True))]


class Generator:
    """Makes queries; `rng` decides."""

    def __init__(self, rng, zones):
        self.rng = rng
        self.zones = zones
        self.ways = [(30, self.there), (10, self.above), (14, self.under), (12, self.beside),
                     (14, self.by_wildcard), (14, self.below), (3, self.elsewhere),
                     (3, self.long)]

    def word(self):
        if self.rng.random() < 0.8:
            return self.rng.choice(WORDS)
        return self.letters(self.rng.randint(1, 12))

    def letters(self, count):
        return bytes([count]) + bytes(self.rng.choice(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
                                      for _ in range(count))

    def words(self, most=3):
        return b"".join(self.word() for _ in range(self.rng.randint(1, most)))

    # ---- names ----

    def there(self, zone):
        return self.rng.choice(zone.names)

    def above(self, zone):
        return self.rng.choice(zone.above)

    def under(self, zone):
        return self.words() + self.rng.choice(zone.names)

    def beside(self, zone):
        """A name with another first label: one that differs by little, or any."""
        first, *rest = labels_of(self.rng.choice(zone.names))
        if rest and self.rng.random() < 0.5:
            end = self.rng.choice([b"-", b"\0", b"a", b"~"])
            first = bytes([min(63, len(first))]) + (first[1:] + end)[:63]
        else:
            first = self.word()
        return first + b"".join(rest) + b"\0"

    def by_wildcard(self, zone):
        """A name that a wildcard stands for, or nearly."""
        if not zone.wild:
            return self.under(zone)
        labels = labels_of(self.rng.choice(zone.wild))
        return b"".join(self.words(2) if label == STAR and self.rng.random() < 0.9 else label
                        for label in labels) + b"\0"

    def below(self, zone):
        """A name below a cut or an alias, or at it."""
        if not zone.below:
            return self.under(zone)
        return (self.words(2) if self.rng.random() < 0.8 else b"") + self.rng.choice(zone.below)

    def elsewhere(self, zone):
        return self.rng.choice([b"\0", name("test"), name("example.org"), b"\7version\4bind\0",
                                self.words() + b"\0", zone.origin[1:2] + zone.origin[1:]]) \
            if self.rng.random() < 0.7 else self.words() + name("test")

    def long(self, zone):
        """Of 253 to 255 bytes, and in at most 127 labels."""
        found = self.rng.choice(zone.names)
        while len(found) < 254:
            room = min(63, 254 - len(found))
            found = self.letters(room if self.rng.random() < 0.3 else
                                 self.rng.randint(1, room)) + found
        return found

    def qname(self):
        zone = self.rng.choice(self.zones)
        way = self.rng.choices([way for _, way in self.ways], [n for n, _ in self.ways])[0]
        made = way(zone)
        if len(made) > 255 or any(label[0] > 63 for label in labels_safe(made)):
            made = zone.origin
        types = zone.types.get(made)
        if self.rng.random() < 0.4:
            made = self.mixed(made)
        return made, types

    def mixed(self, wire):
        """In any case; lengths are no letters."""
        return bytes(byte ^ 0x20 if chr(byte).isalpha() and byte < 128 and
                     self.rng.random() < 0.5 else byte for byte in wire)

    # ---- what is asked ----

    def qtype(self, types):
        draw = self.rng.random()
        if types and draw < 0.4:
            return self.rng.choice(sorted(types))
        if draw < 0.8:
            return self.rng.choice(COMMON)
        return self.rng.choice(TYPES if draw < 0.98 else META)

    def qclass(self):
        return IN if self.rng.random() < 0.98 else self.rng.choice([4, 254, 255, 0, 1234])

    def flags(self):
        flags = RD if self.rng.random() < 0.5 else 0
        if self.rng.random() < 0.2:
            flags |= self.rng.choice([AD, CD, AD | CD, TC, 0x400, 0x80, 0x40])
        return flags

    def edns(self, by_tcp):
        draw = self.rng.random()
        if draw < 0.25:
            return b""
        size = self.rng.choice(SIZES)
        do = self.rng.random() < 0.7
        options = b""
        if self.rng.random() < 0.1:
            options = b"".join(self.option(by_tcp) for _ in range(self.rng.randint(1, 3)))
        version = self.rng.choice([1, 2, 255]) if self.rng.random() < 0.02 else 0
        flags = self.rng.choice([1, 0x4000]) if self.rng.random() < 0.02 else 0
        return opt(size, do, version, options, flags)

    def option(self, by_tcp):
        """NSID, subnet, expire, padding, cookie, one that is not known; keep-alive over TCP."""
        rng = self.rng
        return rng.choice([option(3), option(8, b"\0\1\x18\0\xc0\0\2"), option(9),
                           option(12, b"\0" * rng.randint(0, 20)), option(10, rng.randbytes(8)),
                           option(65001, rng.randbytes(rng.randint(0, 8))),
                           option(11) if by_tcp else option(65002)])

    def valid(self, number, by_tcp=False):
        qname, types = self.qname()
        qtype = self.qtype(types)
        if qtype in (AXFR, IXFR) and by_tcp:
            qtype = SOA
        return query(number, qname, qtype, self.qclass(), self.flags(), self.edns(by_tcp))

    # ---- what is malformed, or no query ----

    def odd(self, number):
        """A valid query with something done to it."""
        whole = self.valid(number)
        way = self.rng.choice([self.cut, self.trailing, self.counts, self.bits, self.label,
                               self.opcode, self.opts, self.bad_option, self.noise])
        return way(number, whole)

    def cut(self, number, whole):
        return whole[:self.rng.randint(2, len(whole) - 1)]

    def trailing(self, number, whole):
        return whole + self.rng.randbytes(self.rng.randint(1, 20))

    def counts(self, number, whole):
        which = self.rng.randrange(4)
        counts = list(struct.unpack_from(">4H", whole, 4))
        counts[which] = self.rng.choice([0, 1, 2, 3, 65535])
        return whole[:4] + struct.pack(">4H", *counts) + whole[12:]

    def bits(self, number, whole):
        changed = bytearray(whole)
        for _ in range(self.rng.randint(1, 4)):
            changed[self.rng.randrange(3, len(whole))] ^= 1 << self.rng.randrange(8)
        return bytes(changed)

    def label(self, number, whole):
        """A pointer, or a length that is none, in the name."""
        qname = self.rng.choice([b"\xc0\x0c", b"\xc0\0", b"\3www\xc0\x0c", b"\x40a\0",
                                 b"\x80a\0", b"\x3f" + b"a" * 62 + b"\0",
                                 (b"\x3f" + b"a" * 63) * 4 + b"\0", b"\1a" * 128 + b"\0"])
        return query(number, qname, 1)

    def opcode(self, number, whole):
        flags = self.rng.choice([0x800, 0x1000, 0x1800, 0x3000, 0x3800, 0x7800, QR, QR | 0x2000])
        return whole[:2] + struct.pack(">H", struct.unpack_from(">H", whole, 2)[0] | flags) + \
            whole[4:]

    def opts(self, number, whole):
        qname, types = self.qname()
        extra = self.rng.choice([opt() + opt(), opt(owner=name("a")), opt()[:-2] + b"\0\4",
                                 opt() + name("a") + struct.pack(">HHIH", 1, 1, 0, 4) + b"\1" * 4])
        return query(number, qname, self.qtype(types), extra=extra,
                     extras=2 if len(extra) > 14 else 1)

    def bad_option(self, number, whole):
        qname, types = self.qname()
        options = self.rng.choice([option(10, b"short"), option(10, b"\1" * 41), b"\0\12\0",
                                   option(8, b"\0\1\x21\0\xc0\0\2\0\0"), option(8, b"\0"),
                                   option(10)[:2] + b"\xff\xff"])
        return query(number, qname, self.qtype(types), extra=opt(options=options))

    def noise(self, number, whole):
        return struct.pack(">H", number) + self.rng.randbytes(self.rng.randint(0, 60))


def labels_safe(wire):
    try:
        return labels_of(wire)
    except IndexError:
        return [b"\xff"]
