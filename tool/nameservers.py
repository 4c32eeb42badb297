"""The name servers of others that the tests and the benchmarks put beside Kiln's: BIND, NSD and
Knot, as Debian builds them, each on configuration and files of a folder of its own.

All have one process or thread that answers, and say the same of themselves. What limits their
answers to a client by rate is switched off (NSD's Debian package answers 200 queries a second
otherwise), and answers over UDP are of 1,232 bytes at most, which is the default of all three.
"""

import os
from dataclasses import dataclass, field

# To version.bind and hostname.bind (RFC 4892).
SAYS = {"version": "of a test", "host": "a host"}


@dataclass(frozen=True)
class Key:
    """Of TSIG (RFC 8945), hmac-sha256."""

    name: str
    secret: str  # in base64


@dataclass(frozen=True)
class Peer:
    """Another server, to transfer a zone from or to."""

    address: str
    port: int
    key: Key = None


@dataclass
class Zone:
    """A zone of a server's: its own, from a file, or a primary's."""

    origin: str
    file: str = ""
    primary: Peer = None
    secondaries: list = field(default_factory=list)  # who is told of changes (RFC 1996)
    key: Key = None  # without which nobody may transfer it

    def peers(self):
        return [self.primary, *self.secondaries] if self.primary else self.secondaries

    def keys(self):
        return [peer.key for peer in self.peers()] + [self.key]


class NameServer:
    """A program, and how to say to it what it shall serve."""

    name = package = program = ""

    def missing(self):
        """Why it cannot be run here; None if it can."""
        if os.access(self.program, os.X_OK):
            return None
        return f"no {self.program}: apt-get install {self.package}"

    def command(self, folder, zones, address, port):
        """What to run, once the configuration has been written."""
        keys = {key.name: key for zone in zones for key in zone.keys() if key}
        path = os.path.join(folder, f"{self.name}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.configuration(folder, zones, keys.values(), address, port))
        return self.start(path)

    def configuration(self, folder, zones, keys, address, port):
        raise NotImplementedError

    def start(self, path):
        raise NotImplementedError

    def kept(self, folder, zone):
        """The file in which a secondary keeps a zone."""
        return os.path.join(folder, f"{self.name}-{zone.origin or 'root'}.kept")


BIND = """
options {{
	directory "{here}"; managed-keys-directory "{folder}";
	pid-file none; session-keyfile none; lock-file none;
	listen-on port {port} {{ {address}; }};
	listen-on-v6 {{ none; }};
	recursion no;
	dnssec-validation no;
	empty-zones-enable no;
	minimal-responses yes;
	zero-no-soa-ttl no;
	check-names primary ignore;
	check-names secondary ignore;
	notify explicit; notify-delay 0;
	version "{version}"; hostname "{host}"; server-id "{host}";
	querylog no;
}};
controls {{ }};
"""


class Bind(NameServer):
    name, package, program = "bind", "bind9", "/usr/sbin/named"

    def configuration(self, folder, zones, keys, address, port):
        # What a file includes is beside it.
        here = next((os.path.dirname(zone.file) for zone in zones if zone.file), folder)
        text = BIND.format(folder=folder, here=here, address=address, port=port, **SAYS)
        for key in keys:
            text += (f'key "{key.name}" {{ algorithm hmac-sha256; '
                     f'secret "{key.secret}"; }};\n')
        return text + "".join(self.zone(folder, zone) for zone in zones)

    def zone(self, folder, zone):
        def place(peer):
            return f"{peer.address} port {peer.port}" + self.by_key(peer.key)
        lines = [f'zone "{zone.origin or "."}" {{', "allow-transfer { " +
                 (self.by_key(zone.key) or "any") + "; };"]
        if zone.primary:
            lines += ["type secondary; masterfile-format text; min-refresh-time 1; "
                      "min-retry-time 1;",
                      f'file "{self.kept(folder, zone)}";',
                      f"primaries {{ {place(zone.primary)}; }};"]
        else:
            lines += [f'type primary; file "{zone.file}"; ixfr-from-differences yes; '
                      f'journal "{self.kept(folder, zone)}";']
        if zone.secondaries:
            lines += ["also-notify { " + " ".join(f"{place(peer)};" for peer in
                                                  zone.secondaries) + " };"]
        return "\n\t".join(lines) + "\n};\n"

    @staticmethod
    def by_key(key):
        return f' key "{key.name}"' if key else ""

    def start(self, path):
        return [self.program, "-g", "-n", "1", "-U", "1", "-c", path]


NSD = """
server:
	server-count: 1
	ip-address: {address}@{port}
	username: ""
	chroot: ""
	database: ""
	pidfile: ""
	xfrdfile: ""
	xfrdir: "{folder}"
	zonelistfile: "{folder}/nsd.zones"
	zonesdir: "{folder}"
	logfile: "/dev/stderr"
	version: "{version}"
	identity: "{host}"
	rrl-ratelimit: 0
	verbosity: 1
remote-control:
	control-enable: no
"""


class Nsd(NameServer):
    name, package, program = "nsd", "nsd", "/usr/sbin/nsd"

    def configuration(self, folder, zones, keys, address, port):
        text = NSD.format(folder=folder, address=address, port=port, **SAYS)
        for key in keys:
            text += (f"key:\n\tname: {key.name}\n\talgorithm: hmac-sha256\n"
                     f'\tsecret: "{key.secret}"\n')
        return text + "".join(self.zone(folder, zone) for zone in zones)

    def zone(self, folder, zone):
        def by(key):
            return key.name if key else "NOKEY"
        lines = [f"zone:\n\tname: {zone.origin or '.'}",
                 f"provide-xfr: 0.0.0.0/0 {by(zone.key)}"]
        if zone.primary:
            peer = zone.primary
            lines += [f"zonefile: {self.kept(folder, zone)}",
                      f"request-xfr: {peer.address}@{peer.port} {by(peer.key)}",
                      f"allow-notify: {peer.address} {by(peer.key)}"]
        else:
            lines += [f"zonefile: {zone.file}"]
        lines += [f"notify: {peer.address}@{peer.port} {by(peer.key)}"
                  for peer in zone.secondaries]
        return "\n\t".join(lines) + "\n"

    def start(self, path):
        return [self.program, "-d", "-c", path]


KNOT = """
server:
    rundir: "{folder}"
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    version: "{version}"
    identity: "{host}"
log:
  - target: stderr
    any: info
database:
    storage: "{folder}/knot"
"""


class Knot(NameServer):
    name, package, program = "knot", "knot", "/usr/sbin/knotd"

    def configuration(self, folder, zones, keys, address, port):
        text = KNOT.format(folder=folder, address=address, port=port, **SAYS)
        if keys:
            text += "key:\n" + "".join(
                f"  - id: {key.name}\n    algorithm: hmac-sha256\n    secret: {key.secret}\n"
                for key in keys)
        remotes = list(dict.fromkeys(peer for zone in zones for peer in zone.peers()))
        if remotes:
            text += "remote:\n"
        for number, peer in enumerate(remotes):
            text += (f"  - id: peer{number}\n    address: {peer.address}@{peer.port}\n" +
                     self.by_key(peer.key))
        rules = list(dict.fromkeys((zone.key, zone.primary and zone.primary.key)
                                   for zone in zones))
        text += "acl:\n"
        for number, (own, primary) in enumerate(rules):
            text += (f"  - id: transfer{number}\n    action: transfer\n" + self.by_key(own) +
                     f"  - id: notify{number}\n    action: notify\n" + self.by_key(primary))
        text += "zone:\n"
        for zone in zones:
            number = rules.index((zone.key, zone.primary and zone.primary.key))
            text += (f'  - domain: "{zone.origin}."\n'
                     f"    acl: [transfer{number}, notify{number}]\n")
            if zone.primary:
                text += (f"    master: peer{remotes.index(zone.primary)}\n"
                         f"    file: {self.kept(folder, zone)}\n    zonefile-sync: 0\n"
                         "    refresh-min-interval: 2\n    retry-min-interval: 1\n")
            else:
                text += f"    file: {zone.file}\n    zonefile-load: difference\n"
            if zone.secondaries:
                ids = ", ".join(f"peer{remotes.index(peer)}" for peer in zone.secondaries)
                text += f"    notify: [{ids}]\n"
        return text

    @staticmethod
    def by_key(key):
        return f"    key: {key.name}\n" if key else ""

    def start(self, path):
        return [self.program, "-c", path]


ALL = [Bind(), Nsd(), Knot()]
