"""DNS messages, as the tests of name servers compare them: a query is made of its parts, an answer
is read into sections of sorted records with names in lower case, whatever their compression and
order. That is some microseconds an answer, for which dnspython takes a hundred; people are shown
what dnspython prints.
"""

import struct
from typing import NamedTuple

import dns.message
import dns.rdatatype

NS, CNAME, SOA, A, AAAA, TXT, OPT, DS, DNAME = 2, 5, 6, 1, 28, 16, 41, 43, 39
RRSIG, NSEC, NSEC3, DNSKEY = 46, 47, 50, 48
IXFR, AXFR, ANY = 251, 252, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x400, 0x200, 0x100, 0x80, 0x20, 0x10
OPCODE = 0x7800
DO = 0x8000
IN, CHAOS, ANY_CLASS = 1, 3, 255


class Malformed(Exception):
    """A server's answer cannot be read."""


class Record(NamedTuple):
    owner: bytes  # uncompressed, in lower case
    type: int
    rrclass: int
    ttl: int
    rdata: bytes  # the names in it likewise


class Edns(NamedTuple):
    size: int
    version: int
    flags: int
    options: tuple  # (code, bytes)


class Answer(NamedTuple):
    flags: int  # of the header, without the code
    rcode: int  # with the upper bits of EDNS
    question: bytes  # as it came
    answer: tuple  # of records, sorted
    authority: tuple
    additional: tuple  # without OPT
    edns: Edns
    size: int


# ---- names ----

def name(text):
    """In wire form; for what tests write: labels of printable characters."""
    labels = [label.encode("latin-1") for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def labels_of(wire):
    at, found = 0, []
    while wire[at]:
        found.append(wire[at:at + 1 + wire[at]])
        at += 1 + wire[at]
    return found


def parents(wire):
    """The name, and what stands above it, without the root."""
    found = labels_of(wire)
    return [b"".join(found[i:]) + b"\0" for i in range(len(found))]


def read_name(message, at, known):
    """The name in lower case, and where it ends. A length is no upper-case letter. `known`:
    names by where they begin."""
    start = at
    while True:
        length = message[at]
        if length == 0:
            rest, end = b"\0", at + 1
            break
        if length >= 0xc0:
            target = (length & 0x3f) << 8 | message[at + 1]
            if target >= start:
                raise Malformed("a name points forward")
            rest, end = known.get(target) or read_name(message, target, known)[0], at + 2
            break
        if length > 63:
            raise Malformed(f"a label's length is {length:#x}")
        at += length + 1
    whole = message[start:at].lower() + rest
    known[start] = whole
    return whole, end


# ---- answers ----

# Of the types with names in them: how many bytes stand before how many names.
NAMES = {NS: (0, 1), 3: (0, 1), 4: (0, 1), CNAME: (0, 1), SOA: (0, 2), 7: (0, 1), 8: (0, 1),
         9: (0, 1), 12: (0, 1), 14: (0, 2), 15: (2, 1), 17: (0, 2), 18: (2, 1), 21: (2, 1),
         26: (2, 2), 33: (6, 1), 36: (2, 1), DNAME: (0, 1)}


def read_rdata(message, kind, at, end, known):
    if kind not in NAMES:
        return message[at:end]
    before, names = NAMES[kind]
    parts = [message[at:at + before]]
    at += before
    for _ in range(names):
        one, at = read_name(message, at, known)
        parts.append(one)
    parts.append(message[at:end])
    if at > end:
        raise Malformed(f"a record of type {kind} has a name that passes its end")
    return b"".join(parts)


def read_records(message, at, count, known):
    found = []
    for _ in range(count):
        owner, at = read_name(message, at, known)
        kind, rrclass, ttl, length = struct.unpack_from(">HHIH", message, at)
        at += 10
        end = at + length
        if end > len(message):
            raise Malformed("a record passes the message's end")
        found.append(Record(owner, kind, rrclass, ttl,
                            read_rdata(message, kind, at, end, known)))
        at = end
    return found, at


def read_edns(record):
    options, at, data = [], 0, record.rdata
    while at < len(data):
        code, length = struct.unpack_from(">HH", data, at)
        options.append((code, data[at + 4:at + 4 + length]))
        at += 4 + length
    if at > len(data):
        raise Malformed("an option passes its record's end")
    return Edns(record.rrclass, record.ttl >> 16 & 0xff, record.ttl & 0xffff,
                tuple(sorted(options)))


def read_answer(message):
    try:
        return read_whole(message)
    except (struct.error, IndexError):
        raise Malformed("the message ends early") from None


def read_whole(message):
    _, flags, questions, *counts = struct.unpack_from(">6H", message)
    known, at = {}, 12
    for _ in range(questions):
        at = read_name(message, at, known)[1] + 4
    question = message[12:at]
    sections = []
    for count in counts:
        records, at = read_records(message, at, count, known)
        sections.append(records)
    if at != len(message):
        raise Malformed(f"{len(message) - at} bytes behind the last record")
    opts = [record for record in sections[2] if record.type == OPT]
    if len(opts) > 1:
        raise Malformed("two OPT records")
    rcode, edns = flags & 15, None
    if opts:
        edns = read_edns(opts[0])
        rcode |= opts[0].ttl >> 24 << 4
        sections[2].remove(opts[0])
    return Answer(flags & ~15, rcode, question, *(tuple(sorted(s)) for s in sections), edns,
                  len(message))


def read_answers(message):
    """The records of the answer section, in their order; TTLs and names as ever."""
    _, _, questions, answers = struct.unpack_from(">4H", message)
    known, at = {}, 12
    for _ in range(questions):
        at = read_name(message, at, known)[1] + 4
    return read_records(message, at, answers, known)[0]


# ---- queries ----

def opt(size=1232, do=False, version=0, options=b"", flags=0, owner=b"\0"):
    """An OPT record (RFC 6891, section 6.1.2)."""
    return owner + struct.pack(">HHBBHH", OPT, size, 0, version, flags | (DO if do else 0),
                               len(options)) + options


def option(code, data=b""):
    return struct.pack(">HH", code, len(data)) + data


def query(number, qname, qtype, qclass=IN, flags=0, extra=b"", extras=None):
    """`extra`: the additional section, of so many records: by itself one, if it is not empty."""
    count = (1 if extra else 0) if extras is None else extras
    return struct.pack(">6H", number, flags, 1, 0, 0, count) + qname + \
        struct.pack(">HH", qtype, qclass) + extra


# ---- for people ----

def show(wire):
    """As dig prints it, as far as it can be read."""
    if wire is None:
        return "(no answer)"
    try:
        text = dns.message.from_wire(wire, ignore_trailing=True, one_rr_per_rrset=True).to_text()
    except Exception as error:  # whatever it does not like
        text = f"(dnspython: {type(error).__name__}: {error})"
    return f"{text}\n; {len(wire)} bytes: {wire[:48].hex()}{'...' * (len(wire) > 48)}"


def type_text(number):
    return dns.rdatatype.to_text(number)
