"""Clients of name servers: many queries on their way at a time, by UDP and by TCP."""

import contextlib
import select
import socket
import struct

WINDOW = 128  # what goes unread into a socket's buffer, even of large answers
SILENCE = 0.2  # seconds without an answer, after which none is waited for


def number_of(message):
    return message[0] << 8 | message[1]


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Udp:
    """A socket to one server. Of queries that are on their way, no two have the same number (id);
    an answer to another is too late."""

    def __init__(self, address, port):
        self.socket = socket.socket(family_of(address), socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.connect((address, port))
        self.socket.setblocking(False)
        self.missing = {}  # queries by number
        self.answers = {}

    def send(self, queries):
        """To be answered; what was before is forgotten."""
        self.answers = {}
        self.missing = {number_of(query): query for query in queries}
        self.send_missing()

    def send_missing(self):
        for query in self.missing.values():
            with contextlib.suppress(BlockingIOError):
                self.socket.send(query)

    def receive(self):
        """Takes what has come."""
        while True:
            try:
                answer = self.socket.recv(65536)
            except BlockingIOError:
                return
            if self.missing.pop(number_of(answer), None) is not None:
                self.answers[number_of(answer)] = answer

    def close(self):
        self.socket.close()


def collect(clients):
    """Until all answers are there, or none has come for a while."""
    waiting = {client.socket: client for client in clients if client.missing}
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], SILENCE)
        if not ready:
            return
        for one in ready:
            waiting[one].receive()
            if not waiting[one].missing:
                del waiting[one]


def ask_all(clients, queries, times=10):
    """Sends a window of queries to each of the clients: for each query the answers of all, None
    for silence. What is missing is asked again, so many times in all."""
    for client in clients:
        client.send(queries)
    for again in range(times):
        collect(clients)
        if again + 1 < times:
            for client in clients:
                client.send_missing()
    return [(query, [client.answers.get(number_of(query)) for client in clients])
            for query in queries]


def receive_exactly(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise ConnectionError(f"closed after {len(data)} of {count} bytes")
    return data


def messages(stream):
    """Those of a TCP connection (RFC 1035, section 4.2.2)."""
    while True:
        yield receive_exactly(stream, struct.unpack(">H", receive_exactly(stream, 2))[0])


def ask_by_tcp(address, port, queries, timeout=10.0):
    """All on one connection, without waiting for answers, which come in any order (RFC 7766,
    section 6.2.1.1): by number."""
    with socket.create_connection((address, port), timeout) as connection:
        connection.sendall(b"".join(struct.pack(">H", len(one)) + one for one in queries))
        with connection.makefile("rb") as stream:
            return {number_of(answer): answer for _, answer in zip(queries, messages(stream))}


def ask_once(address, port, query, seconds=0.2):
    """The answer by UDP; None if none comes."""
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
        s.settimeout(seconds)
        try:
            s.connect((address, port))
            s.send(query)
            return s.recv(65536)
        except OSError:
            return None


def answers_soa(address, port, query):
    """Whether a server has the zone; for wait_for()."""
    answer = ask_once(address, port, query)
    return answer and answer[:2] == query[:2] and answer[3] & 15 == 0 and answer[6:8] != b"\0\0"
