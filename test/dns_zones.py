"""The zones that name servers are tested with, from test/dns/zones: one that has every type, and
one that has every way of names (shape.zone), unsigned, signed with NSEC, with NSEC3, and with
NSEC3 and opt-out; and below each of these a child that is on the same server; and a root.

Each is written to NAME.zone, as appliance/dns takes them: its origin is NAME, the root's `root`.
"""

import os
import shutil

from harness import ROOT, run

SOURCES = os.path.join(ROOT, "test/dns/zones")
VALID = ["-s", "20200101000000", "-e", "20370101000000"]
SIGNED = {"nsec.test": [], "nsec3.test": ["-3", "ab12cd", "-H", "2"],
          "optout.test": ["-3", "-", "-H", "0", "-A"]}


def write(folder):
    """The zones that are served together; their origins."""
    shutil.copy(os.path.join(SOURCES, "included.inc"), folder)
    for name, origin in (("types", "types.test"), ("shape", "plain.test"),
                           ("hosted", "hosted.plain.test")):
        shutil.copy(source(name), path(folder, origin))
    for origin, how in SIGNED.items():
        # The child first, whose DS goes into the parent; and that of one that is elsewhere.
        sign(folder, f"hosted.{origin}", source("hosted"), how)
        with open(os.path.join(folder, "keys", f"dsset-secure.{origin}."), "w",
                  encoding="ascii") as file:
            file.write(f"secure.{origin}. IN DS 60485 8 2 {'D4' * 32}\n")
        sign(folder, origin, source("shape"), how)
    return ["types.test", "plain.test", "hosted.plain.test",
            *(child + origin for origin in SIGNED for child in ("", "hosted."))]


def write_root(folder):
    """A root above them, signed; the file that a validator trusts."""
    sign(folder, "", source("root"), [])
    anchors = os.path.join(folder, "anchors")
    with open(anchors, "w", encoding="ascii") as file:
        with open(os.path.join(folder, "keys", "root"), encoding="ascii") as name, \
             open(os.path.join(folder, "keys", f"{name.read()}.key"), encoding="ascii") as key:
            fields = [line for line in key if line[0] != ";"][0].split()
        flags, protocol, algorithm, *text = fields[3:]
        file.write(f'trust-anchors {{ . static-key {flags} {protocol} {algorithm} '
                   f'"{"".join(text)}"; }};\n')
    return anchors


def path(folder, origin):
    return os.path.join(folder, f"{origin or 'root'}.zone")


def source(name):
    return os.path.join(SOURCES, f"{name}.zone")


def sign(folder, origin, source_path, how):
    """With one key for all, which is what makes it quick (ECDSA; RFC 6605)."""
    keys = os.path.join(folder, "keys")
    os.makedirs(keys, exist_ok=True)
    key = run("dnssec-keygen", "-q", "-K", keys, "-a", "ECDSAP256SHA256", "-f", "KSK",
              origin or ".").stdout.strip()
    with open(os.path.join(keys, origin or "root"), "w", encoding="ascii") as file:
        file.write(key)
    run("dnssec-signzone", "-q", "-S", "-z", "-K", keys, "-d", keys, "-g", "-o", origin or ".",
        *VALID, *how, "-f", path(folder, origin), source_path, timeout=120)
