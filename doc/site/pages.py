"""The guide's pages as they are written: in what order, and their code blocks."""

import os
import re
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CHAPTERS = [
    ("Begin", ["index", "start", "appliance", "daily"]),
    ("Parts", ["targets", "parameters", "http", "dns", "network", "sim", "door"]),
    ("What it is worth", ["security", "small", "fast", "testing"]),
]

FENCE = re.compile(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", re.M | re.S)


@dataclass
class Block:
    """```LANGUAGE WORDS: what the words mean is in test/tool/guide.py."""
    language: str
    words: dict  # "status" to "2"; "" where there is no "="
    code: str


def source(name):
    folder = "doc" if name == "security" else "doc/guide"
    return os.path.join(ROOT, folder, name + ".md")


def exists(name):
    return os.path.exists(source(name))


def read(name):
    with open(source(name), encoding="utf-8") as file:
        return file.read()


def block(found):
    """Of a match of FENCE."""
    words = re.findall(r'([\w-]+)(?:=("[^"]*"|\S+))?', found.group(2))
    return Block(found.group(1), {key: value.strip('"') for key, value in words}, found.group(3))


def blocks(text):
    return [block(found) for found in FENCE.finditer(text)]
