"""The reference, from the public headers: one page each, of what stands in it, in its order.

A header is read as the project writes them: a comment at its top, "/* ---- part ---- */"
between parts, and declarations, each with its comment above. Declarations that follow each
other without an empty line share the comment above them, and stay together on the page.
"""

import dataclasses
import html
import os
import re

from highlight import anchor_of, highlight

RFC = re.compile(r"\bRFC (\d{3,4})\b")
WORD = re.compile(r"\b(struct |enum )?([A-Za-z_]\w+)(\(\))?")


@dataclasses.dataclass
class Item:
    """Declarations that stand together."""
    comment: str
    code: list  # of texts
    names: list  # declared here: "http_new", "struct http", "HTTP_GET"


@dataclasses.dataclass
class Part:
    title: str  # "" for what comes first
    items: list  # Item, or a comment by itself, as text


@dataclasses.dataclass
class Header:
    path: str  # "kiln/http.h"
    comment: str
    parts: list

    @property
    def page(self):
        return "reference/" + self.path.removeprefix("kiln/").replace("/", "-")[:-2] + ".html"

    def names(self):
        return [name for part in self.parts for item in part.items if isinstance(item, Item)
                for name in item.names]


def comment_text(comment):
    """Without the stars; a line's own indentation is kept."""
    lines = [re.sub(r"^\s*\* ?", "", line) for line in comment[2:-2].splitlines()]
    return "\n".join(line.rstrip() for line in lines).strip("\n").strip(" ")


class Reader:
    """Takes a header apart."""

    def __init__(self, path, text):
        self.path, self.text, self.at = path, text, 0
        self.guard = re.search(r"#ifndef (\w+)", text).group(1)

    def take(self, pattern):
        found = re.compile(pattern, re.S).match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def read(self):
        parts = [Part("", [])]
        first = comment = None
        joined = False  # to the item above: no empty line between
        while self.at < len(self.text):
            if self.take(r"[ \t]*\n"):
                if comment is not None and first is not None:
                    parts[-1].items.append(comment)
                    comment = None
                joined = False
            elif self.take(r'extern "C" \{\n|\}\n'):
                continue
            elif found := self.take(r"/\* ---- (.+?) ---- \*/\n"):
                parts.append(Part(found.group(1), []))
            elif found := self.take(r"/\*.*?\*/\n"):
                text = comment_text(found.group().rstrip())
                if first is None:
                    first = text
                elif text != "clang-format off" and text != "clang-format on":
                    comment, joined = text, False
            else:
                item = self.declaration()
                if item and joined and comment is None:
                    parts[-1].items[-1].code += item.code
                    parts[-1].items[-1].names += item.names
                elif item:
                    item.comment, comment, joined = comment or "", None, True
                    parts[-1].items.append(item)
        return Header(self.path, first, [part for part in parts if part.items])

    def declaration(self):
        """The next one; None for what is not shown."""
        if self.take(r"#\s*define " + self.guard + r"\b[^\n]*\n|#\s*(?!define)\w+[^\n]*\n"):
            return None
        if found := self.take(r"#\s*define (\w+)(\([^)]*\))?(?:[^\n]*\\\n)*[^\n]*\n"):
            code = found.group().rstrip("\n")
            if "\\\n" in code:
                code = f"#define {found.group(1)}{found.group(2) or ''} ..."
            return Item("", [code], [found.group(1)])
        code = self.statement()
        if code.startswith("_Static_assert"):
            return None
        return Item("", [code], declared(code))

    def statement(self):
        """To its semicolon, with a comment behind it; of a function only what it promises."""
        start, depth = self.at, 0
        while True:
            found = self.take(r"(?:[^;{}()/]|/(?!\*))*")
            if self.take(r"/\*.*?\*/"):
                continue
            mark = self.text[self.at]
            body = mark == "{" and depth == 0 and self.text[start:self.at].rstrip()[-1] == ")"
            self.at += 1
            if body:
                signature = self.text[start:self.at - 1].rstrip() + ";"
                self.skip_body()
                return signature
            depth += (mark in "{(") - (mark in "})")
            if mark == ";" and depth == 0:
                self.take(r"[ \t]*/\*.*?\*/")
                self.take(r"[ \t]*\n")
                return self.text[start:self.at].rstrip()

    def skip_body(self):
        depth = 1
        while depth:
            mark = self.take(r"[^{}]*([{}])").group(1)
            depth += 1 if mark == "{" else -1
        self.take(r"\n")


def declared(code):
    """The names that a declaration introduces."""
    plain = re.sub(r"/\*.*?\*/", "", code, flags=re.S)
    names = []
    if found := re.match(r"(struct|enum|union) (\w+)\s*[{;]", plain):
        names.append(f"{found.group(1)} {found.group(2)}")
    if found := re.match(r"enum[^{]*\{(.*)\}", plain, re.S):
        names += re.findall(r"(?:^|,)\s*(\w+)", found.group(1))
    if found := re.match(r"typedef .*?(\w+);", plain, re.S):
        names.append(found.group(1))
    if not names:
        plain = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", plain, flags=re.S)
        found = re.match(r"[^(]*?\b(\w+)\s*\(", plain) or re.search(r"(\w+);$", plain)
        names.append(found.group(1))
    return names


def read_headers(folder):
    headers = []
    for top, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(top, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            headers.append(Reader(os.path.relpath(path, folder), text).read())
    return sorted(headers, key=lambda header: ("/abi/" in header.path, header.path))


class Links:
    """Where each name is described; called with a name, gives its URL or None."""

    def __init__(self, headers, page=""):
        self.places = {}
        for header in headers:
            for name in header.names():
                # A struct may be declared in several headers, but is defined in one.
                if name not in self.places or self.defines(header, name):
                    self.places[name] = (header.page, anchor_of(name))
        self.page = page

    @staticmethod
    def defines(header, name):
        return any(re.match(re.escape(name) + r"\s*\{", code) for part in header.parts
                   for item in part.items if isinstance(item, Item) for code in item.code)

    def on(self, page):
        """The same, for links that stand on another page."""
        links = Links([], page)
        links.places = self.places
        return links

    def __call__(self, name):
        if name not in self.places:
            return None
        page, anchor = self.places[name]
        if page == self.page:
            return "#" + anchor
        return os.path.relpath(page, os.path.dirname(self.page) or ".") + "#" + anchor


BLOCKS = re.compile(r"((?:\t[^\n]*(?:\n+(?=\t)|\n?))+)|((?:[^\n\t][^\n]*\n?)+)")


def prose(text, links):
    """A comment as HTML: paragraphs, and code where it is indented."""
    out = []
    for code, paragraph in BLOCKS.findall(text):
        if code:
            code = re.sub(r"^\t", "", code, flags=re.M)
            out.append(f"<pre><code>{highlight(code, 'c', links)}</code></pre>")
        else:
            out.append(f"<p>{inline(paragraph.strip(), links)}</p>")
    return "\n".join(out)


def inline(text, links):
    """Names that the headers declare become links, and RFCs too."""
    def name(found):
        whole, tag, word = found.group(), found.group(1) or "", found.group(2)
        url = links(tag + word)
        # A plain word, such as "timer", is one of English unless "struct" says otherwise.
        if url and (tag or "_" in word or found.group(3) or word.isupper()):
            return f'<a href="{url}"><code>{whole}</code></a>'
        return whole
    text = html.escape(text, quote=False)
    text = WORD.sub(name, text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return RFC.sub(r'<a href="https://www.rfc-editor.org/rfc/rfc\1">RFC \1</a>', text)


def summary(header):
    """The first sentence of its comment."""
    text = re.split(r"(?<=[.:])\s", header.comment.replace("\n", " "))[0]
    return text.rstrip(".:") + "."


def body(header, links):
    """The page's content below its title, and its table of contents."""
    out = [prose(header.comment, links), f'<p class="include"><code>#include &lt;{header.path}'
           "&gt;</code></p>"]
    contents, placed = [], set()
    for number, part in enumerate(header.parts):
        if part.title:
            anchor = f"part-{number}"
            out.append(f'<h2 id="{anchor}">{html.escape(part.title.capitalize())}</h2>')
            contents.append((anchor, part.title.capitalize(), []))
        else:
            contents.append(("", "", []))
        for item in part.items:
            if isinstance(item, str):
                out.append(prose(item, links))
                continue
            here = [name for name in item.names
                    if links(name) == "#" + anchor_of(name) and name not in placed]
            placed.update(here)
            code = highlight("\n".join(item.code), "c", links, here)
            out.append(f'<section class="item"><pre><code>{code}</code></pre>')
            if item.comment:
                out.append(prose(item.comment, links))
            out.append("</section>")
            contents[-1][2].extend((anchor_of(name), name) for name in here
                                   if not name.isupper() or name in macros(item))
    return "\n".join(out), contents


def macros(item):
    return {name for name in item.names
            if any(re.match(rf"#\s*define {name}\b", code) for code in item.code)}
