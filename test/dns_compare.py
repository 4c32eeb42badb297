"""Whether the answers of several name servers to one query agree, section by section: the code,
the bits of the header, the question, the records of each section as sets, with their TTLs, and
what EDNS says.

Where servers may differ, DIFFERENCES says so, with the paragraph that allows it. A rule is either
about everybody (`same` leaves out of an answer what is nobody's duty), or about a server that
does something of its own (`apart` says when its answer is not compared).
"""

import re
import struct
from collections import Counter
from typing import Callable, NamedTuple

import dns_wire
from dns_wire import (A, AA, AAAA, AD, ANY, CD, CHAOS, CNAME, DNAME, FORMERR, IN, NOERROR, NOTIMP,
                      NS, NSEC, NSEC3, NXDOMAIN, OPCODE, QR, RA, RD, REFUSED, RRSIG, SERVFAIL, TC,
                      TXT, Malformed)

YXDOMAIN, NOTAUTH = 6, 9
ERRORS = (FORMERR, NOTIMP, REFUSED, NOTAUTH, dns_wire.BADVERS)
COMPARED = QR | OPCODE | AA | TC | RD | RA | 0x40 | AD | CD


class Query(NamedTuple):
    """What was asked, as far as it can be read."""

    name: bytes
    type: int
    rrclass: int
    flags: int
    edns: dns_wire.Edns
    more: bool  # records besides that of EDNS
    by_tcp: bool


def read_query(wire, by_tcp=False):
    try:
        found = dns_wire.read_answer(wire)
        qname, end = dns_wire.read_name(wire, 12, {})
        return Query(qname, *struct.unpack_from(">HH", wire, end), found.flags, found.edns,
                     bool(found.answer or found.authority or found.additional), by_tcp)
    except (Malformed, struct.error, IndexError):
        return None


# ---- what an answer is ----

def is_referral(answer):
    return (answer.rcode == NOERROR and not answer.flags & AA and not answer.answer and
            any(record.type == NS for record in answer.authority))


def without(records, unwanted):
    kept = tuple(record for record in records if not unwanted(record))
    return records if len(kept) == len(records) else kept


def covered(record):
    """The type that a signature is of."""
    return struct.unpack_from(">H", record.rdata)[0] if record.type == RRSIG else record.type


def room(query):
    """How large an answer may be."""
    if query.by_tcp:
        return 65535
    return min(1232, max(512, query.edns.size if query.edns else 0))


# ---- the rules ----
#
# Each takes the query, an answer, and the answers of all; it returns the answer without what is
# not compared.

SOME = (dns_wire.Record(b"", 0, 0, 0, b""),)  # in the place of records: there have to be some


def bare(answer):
    """Only that it is an answer."""
    return answer._replace(flags=answer.flags & QR, rcode=0, answer=(), authority=(),
                           additional=(), edns=None)


def about_itself(query):
    return query.rrclass == CHAOS and query.type == TXT and query.name in ITSELF


def other_classes(query, answer, answers):
    if query.rrclass == IN or about_itself(query):
        return answer
    return bare(answer)._replace(question=b"")


def says_of_itself(query, answer, answers):
    return answer._replace(flags=answer.flags & ~AA) if about_itself(query) else answer


def does_not_say(query, answer, others):
    return about_itself(query) and query.name == VERSION_SERVER and answer.rcode == REFUSED


def meta_types(query, answer, answers):
    if query.type != dns_wire.AXFR or query.by_tcp:
        return bare(answer) if query.type in META else answer
    refuses = answer.rcode in ERRORS and not answer.answer and not answer.authority
    return bare(answer)._replace(rcode=FORMERR) if refuses else answer


def extra_records(query, answer, answers):
    if not answer.additional:
        return answer
    if not is_referral(answer):
        return answer._replace(additional=())
    cut = next(record.owner for record in answer.authority if record.type == NS)
    return answer._replace(additional=without(answer.additional, lambda record: not (
        record.type in (A, AAAA) and record.owner.endswith(cut))))


def own_servers(query, answer, answers):
    if not answer.answer or is_referral(answer):
        return answer
    return answer._replace(authority=without(answer.authority,
                                             lambda record: covered(record) == NS))


def some_of_any(query, answer, answers):
    if query.type not in (ANY, RRSIG) or not (answer.answer or answer.flags & TC):
        return answer
    return answer._replace(answer=SOME, authority=(), additional=(), flags=answer.flags & ~TC)


def beside_aliases(query, answer, answers):
    """Types that may stand where an alias does."""
    if query.type not in BESIDE or not any(
            record.type == CNAME for other in answers for record in other.answer):
        return answer
    return bare(answer)


def goes_round(query, answer):
    """Whether there is a chain of CHAIN aliases or more, or one that comes back."""
    aliases = {record.owner: record.rdata for record in answer.answer if record.type == CNAME}
    if len(aliases) >= CHAIN or any(record.type == DNAME and record.rdata.endswith(record.owner)
                                    for record in answer.answer):
        return True
    at, seen = query.name, set()
    while at in aliases and at not in seen:
        seen.add(at)
        at = aliases[at]
    return at in seen


def long_chains(query, answer, answers):
    if not any(goes_round(query, other) for other in answers):
        return answer
    if any(other.flags & TC for other in answers):
        return bare(answer)
    # Who goes round once more gives the same record twice.
    first = tuple(sorted({record for record in answer.answer if record.owner == query.name}))
    return answer._replace(rcode=0, answer=first, authority=(), additional=())


def gives_up(query, answer, others):
    return answer.rcode == SERVFAIL and any(goes_round(query, other) for other in others)


def too_large(query, answer, answers):
    """Where one truncates and others need nearly all the room, or have glue."""
    whole = [other for other in answers if not other.flags & TC]
    if len(whole) == len(answers):
        return answer
    if whole and max(other.size for other in whole) + SLACK < room(query) and \
            not any(map(is_referral, whole)):
        return answer
    return bare(answer)


def options(query, answer, answers):
    if answer.edns is None or not answer.edns.options:
        return answer
    return answer._replace(edns=answer.edns._replace(options=()))


def checking(query, answer, answers):
    return answer._replace(flags=answer.flags & ~CD)


def nsec_at_cut(query, answer, others):
    return query.type == NSEC and any(map(is_referral, others))


def header_of_badvers(query, answer, answers):
    if answer.rcode != dns_wire.BADVERS:
        return answer
    return bare(answer)._replace(rcode=answer.rcode)


def part_of_glue(query, answer, others):
    return is_referral(answer) and any(
        set(answer.additional) < set(other.additional) for other in others)


def any_of_alias(query, answer, others):
    return query.type == ANY and any(record.type == DNAME for record in answer.answer)


def asked_for_sig(query, answer, others):
    return query.type == 24


def nsec_of_wildcard(query, answer, others):
    return query.type == NSEC and any(record.type == NSEC for record in answer.answer)


def too_long_a_name(query, answer, others):
    return any(other.rcode == YXDOMAIN for other in others)


def more_proof(query, answer, others):
    return any(set(answer.authority) > set(other.authority) for other in others)


def asked_for_wildcard(query, answer, others):
    return query.name.startswith(b"\1*") and any(
        set(answer.authority) < set(other.authority) for other in others)


def proof_behind_dname(query, answer, others):
    return any(record.type == DNAME for record in answer.answer) and any(
        record.type == NSEC for record in answer.authority)


def not_even_authoritative(query, answer, others):
    return answer.rcode == NXDOMAIN and not answer.flags & AA


def star_above_others(query, answer, others):
    """Whether others prove that of a * there is nothing but what is below it."""
    proofs = {record for other in others for record in other.authority
              if record.type == NSEC and record.rdata.startswith(b"\1*\1*")}
    return bool(proofs - set(answer.authority))


def hashed_name(query, answer, others):
    return HASHED.search(query.name) is not None


class Rule(NamedTuple):
    allowed_by: str
    text: str
    same: Callable = None  # what is left to be compared
    who: str = ""  # of whose answer; of everybody's
    apart: Callable = None  # (query, answer, others): whether the answer is not compared


VERSION_SERVER = dns_wire.name("version.server")
ITSELF = [dns_wire.name(one) for one in ("version.bind", "hostname.bind", "id.server")]
ITSELF.append(VERSION_SERVER)
META = {0, 41, 249, 250, dns_wire.IXFR, dns_wire.AXFR, 253, 254}
CHAIN = 5  # aliases
BESIDE = {24, 25, 30, RRSIG, NSEC, NSEC3}  # SIG, KEY, NXT
HASHED = re.compile(rb"\x20[0-9a-v]{32}")  # a name of NSEC3
SLACK = 160  # bytes, which other compression and a server's cookie take

DIFFERENCES = [
    Rule("RFC 1035, section 4.1.1",
         "of classes without zones one refuses, one says it is no such query, one answers ANY",
         other_classes),
    Rule("RFC 6895, section 3.1; RFC 5936, section 4.2; RFC 8945, section 5.2",
         "of types that are no data some say so, some look for them; of AXFR by UDP that it is "
         "malformed, or not implemented, or not here, but nobody gives any of it", meta_types),
    Rule("RFC 4892, section 2", "with what NSD and Knot say of themselves is no AA",
         says_of_itself),
    Rule("RFC 4892, section 2", "BIND does not know version.server", who="bind",
         apart=does_not_say),
    Rule("RFC 8482, section 4", "of ANY, and of RRSIG, some of the records are given",
         some_of_any),
    Rule("RFC 1034, sections 3.6.2 and 5.2.2",
         "long chains of aliases are cut, and circles are an error or are answered so far",
         long_chains),
    Rule("RFC 1034, section 4.3.2, step 6; RFC 9471, section 3",
         "additional records are given as a server finds them useful, but for the addresses of "
         "a cut's servers below it", extra_records),
    Rule("RFC 1034, section 4.3.2, step 3a", "with an answer the zone's NS may come",
         own_servers),
    Rule("RFC 2181, section 9; RFC 9471, section 3.1",
         "of a truncated answer nothing is used; missing glue truncates for some only",
         too_large),
    Rule("RFC 6891, section 6.1.2; RFC 8914, section 3; RFC 5001, section 2.1",
         "which options a server knows, and what it says in them", options),
    Rule("RFC 4035, section 3.1.6", "CD is copied by some", checking),
    Rule("RFC 4035, section 2.5; RFC 2181, section 10.1",
         "asked for types that may stand beside an alias, some follow it", beside_aliases),
    Rule("RFC 6891, section 6.1.3", "NSD copies the header into BADVERS, but not DO",
         header_of_badvers),
    Rule("RFC 1034, section 3.6.2", "BIND ends long chains with SERVFAIL", who="bind",
         apart=gives_up),
    Rule("RFC 4035, section 3.1.4.1", "BIND answers for NSEC, and not for DS alone, at a cut",
         who="bind", apart=nsec_at_cut),
    Rule("RFC 9471, section 3.1", "BIND leaves glue out without a word", who="bind",
         apart=part_of_glue),
    Rule("RFC 8482, section 4", "BIND stops at a DNAME, asked for ANY", who="bind",
         apart=any_of_alias),
    Rule("RFC 4035, section 3.1.3.1", "BIND proves nothing when it is asked for SIG", who="bind",
         apart=asked_for_sig),
    *(Rule("RFC 4035, section 3.1.3.4",
           "BIND and Knot do not prove that a *, which only others stand below, has no data",
           who=server, apart=star_above_others) for server in ("bind", "knot")),
    Rule("RFC 4035, section 3.1.3.3", "Knot takes NSEC for the proof of itself", who="knot",
         apart=nsec_of_wildcard),
    Rule("RFC 5155, section 7.2.5",
         "Knot takes a name that is asked for, and begins with *, for the wildcard", who="knot",
         apart=asked_for_wildcard),
    Rule("RFC 1035, section 4.1.1", "Knot loses AA where the proof has no room", who="knot",
         apart=not_even_authoritative),
    Rule("RFC 6672, section 2.2", "Knot does not say YXDOMAIN always", who="knot",
         apart=too_long_a_name),
    Rule("RFC 4035, section 3.1.3", "NSD proves more than it has to", who="nsd",
         apart=more_proof),
    Rule("RFC 4035, section 3.1.3.3",
         "NSD proves for the name that was asked, not for that which a DNAME made of it",
         who="nsd", apart=proof_behind_dname),
    Rule("RFC 5155, section 7.2.8", "NSD takes the owners of NSEC3 for names", who="nsd",
         apart=hashed_name),
]


# ---- comparing ----

def normal(query, answer, answers, used):
    for number, rule in enumerate(DIFFERENCES):
        if rule.same:
            plain = rule.same(query, answer, answers)
            if plain is not answer:
                if plain != answer:
                    used.add(number)
                answer = plain
    return answer._replace(size=0)


def normals(query, answers, used):
    """What is compared of the answers: where all agree, one."""
    everyone = list(answers.values())
    return {normal(query, answer, everyone, used) for answer in everyone}


def without_odd(query, answers, used):
    """The answers but for those of servers that have ways of their own here."""
    left = dict(answers)
    for number, rule in enumerate(DIFFERENCES):
        if rule.apart and rule.who in left:
            others = [answer for server, answer in answers.items() if server != rule.who]
            if rule.apart(query, answers[rule.who], others):
                used.add(number)
                left.pop(rule.who)
    return left


def stripped(answer):
    """Without what says nothing of the answer: bits that a server may copy, and the size that it
    takes itself (RFC 6891, section 6.2.3)."""
    return answer._replace(flags=answer.flags & COMPARED,
                           edns=answer.edns and answer.edns._replace(size=0))


def unsized(value):
    """An answer but for its size; or the text in its place."""
    return value._replace(size=0) if isinstance(value, dns_wire.Answer) else value


class Comparison:
    """Of many queries: how many were answered alike to the bit, and how often each rule was
    needed."""

    def __init__(self, servers):
        self.servers = servers
        self.used = Counter()
        self.equal = self.total = 0

    def read(self, wires):
        """The answers by server; None for silence, a text for what cannot be read."""
        found = {}
        for server, wire in zip(self.servers, wires):
            try:
                found[server] = wire and stripped(dns_wire.read_answer(wire))
            except Malformed as error:
                found[server] = str(error)
        return found

    def agree(self, wire, wires, by_tcp=False):
        """Whether all answers to a query are the same."""
        self.total += 1
        answers = self.read(wires)
        values = list(answers.values())
        if any(value is None or isinstance(value, str) for value in values):
            return False
        # NSD puts why a DNAME led too far behind an answer that is full (RFC 6891, section 6.2.5).
        largest = max(answer.size for server, answer in answers.items() if server != "nsd")
        if largest > 512 and largest > room(read_query(wire, by_tcp)):
            return False
        if len({unsized(value) for value in values}) == 1:
            self.equal += 1
            return True
        query, used = read_query(wire, by_tcp), set()
        if len(normals(query, answers, used)) > 1 and \
                len(normals(query, without_odd(query, answers, used), used)) > 1:
            return False
        self.used.update(used)
        return True

    def among(self, wire, wires, server, by_tcp=False):
        """Whether what a server makes of something that is malformed, or no query, is what
        another does; or an error, or silence, as they are always allowed. Records that have no
        place in a query, and bytes behind it, may be passed over, or not (RFC 1035, section 4.1,
        does not say)."""
        self.total += 1
        answers = self.read(wires)
        self.equal += len({value and unsized(value) for value in answers.values()}) == 1
        own = answers.pop(server)
        if own is None:
            return True
        if isinstance(own, str) or not own.flags & QR:
            return False
        if not own.answer and not own.authority and own.rcode in ERRORS:
            return True
        query = read_query(wire, by_tcp)
        if query is None or query.more:
            return own.question == wire[12:12 + len(own.question)]
        for other in answers.values():
            if not isinstance(other, dns_wire.Answer):
                continue
            if normal(query, own, [own, other], set()) == \
                    normal(query, other, [own, other], set()):
                return True
        return False

    def notes(self):
        """What a reader of the test's output is told."""
        yield f"{self.equal} of {self.total} answered alike by all of {', '.join(self.servers)}"
        for number, count in self.used.most_common():
            yield f"{count}: {DIFFERENCES[number].text} ({DIFFERENCES[number].allowed_by})"
