"""TSIG (RFC 8945, hmac-sha256) by hand: requests with a clock of the test's choice, which
libraries do not sign, and all that an answer says, which they do not tell.
"""

import base64
import hashlib
import hmac
import struct
from typing import NamedTuple

import dns_wire
from dns_wire import ANY_CLASS

TSIG = 250
BADTIME = 18
FUDGE = 300
ALGORITHM = dns_wire.name("hmac-sha256")


class Tsig(NamedTuple):
    time: int
    fudge: int
    mac: bytes
    error: int
    other: bytes


def time_bytes(seconds):
    return struct.pack(">Q", seconds)[2:]


def digest(key, before, message, tsig):
    """Of a message without its record, and the variables (sections 4.3.2 and 4.3.3)."""
    variables = dns_wire.name(key.name) + struct.pack(">HI", ANY_CLASS, 0) + ALGORITHM + \
        time_bytes(tsig.time) + struct.pack(">HHH", tsig.fudge, tsig.error, len(tsig.other)) + \
        tsig.other
    return hmac.new(base64.b64decode(key.secret), before + message + variables,
                    hashlib.sha256).digest()


def sign(query, key, when):
    """The query as a client signs it whose clock says `when`; and its MAC."""
    mac = digest(key, b"", query, Tsig(when, FUDGE, b"", 0, b""))
    data = ALGORITHM + time_bytes(when) + struct.pack(">HH", FUDGE, len(mac)) + mac + query[:2] + \
        struct.pack(">HH", 0, 0)
    record = dns_wire.name(key.name) + struct.pack(">HHIH", TSIG, ANY_CLASS, 0, len(data)) + data
    more = struct.unpack_from(">H", query, 10)[0] + 1
    return query[:10] + struct.pack(">H", more) + query[12:] + record, mac


def read(answer, key, request_mac):
    """The code, what the last record says, and whether its MAC is right."""
    found = dns_wire.read_answer(answer)
    record = next(record for record in found.additional if record.type == TSIG)
    data = record.rdata[len(ALGORITHM):]
    when, fudge, size = int.from_bytes(data[:6], "big"), *struct.unpack_from(">HH", data, 6)
    _, error, other = struct.unpack_from(">3H", data, 10 + size)
    tsig = Tsig(when, fudge, data[10:10 + size], error, data[16 + size:16 + size + other])
    bare = answer[:len(answer) - len(dns_wire.name(key.name)) - 10 - len(record.rdata)]
    bare = bare[:10] + struct.pack(">H", len(found.additional) - 1 + (found.edns is not None)) + \
        bare[12:]
    before = struct.pack(">H", len(request_mac)) + request_mac
    return found.rcode, tsig, hmac.compare_digest(tsig.mac, digest(key, before, bare, tsig))
