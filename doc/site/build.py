#!/usr/bin/python3
"""Builds the site: build.py FOLDER. `make site` calls it, once Kiln itself is built.

The guide's pages are doc/guide/*.md, and doc/security.md (pages.py). In them

    ```c file=NAME      is a file of an appliance, and ```sh what is done with it: both are tried
                        by test/tool/guide.py, which explains the words
    [http](http.md)     leads to the page made from that file
    `http_serve()`      leads to where the public headers describe it
    {{bytes IMAGE}}     is the size of an image that this program builds (IMAGES); other figures:
                        figure()

The reference is made from include/kiln/*.h (reference.py) and from `kiln help`. A file that has
not changed is left alone, with its time, so that an image of the site does not change either.
"""

import html
import json
import os
import re
import shutil
import string
import subprocess
import sys
from dataclasses import dataclass, field

try:
    import markdown
    import pygments  # noqa: F401 (highlight.py)
except ImportError:
    sys.exit("kiln: the site needs Debian's packages python3-markdown and python3-pygments")

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pages as guide  # noqa: E402
import reference  # noqa: E402
from highlight import highlight  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = guide.ROOT
KILN = os.path.join(ROOT, "build/bin/kiln")
WORK = os.path.join(ROOT, "build/guide")

REFERENCE = "Reference"
SHORT = {"index": "Overview"}


@dataclass
class Page:
    path: str  # below the site's folder
    title: str
    body: str
    chapter: str
    short: str = ""  # in the navigation
    contents: list = field(default_factory=list)  # (anchor, title, [(anchor, name)])


# ---- figures ----

# Built for their sizes: name to what kiln build is given.
IMAGES = {f"{name}.{target}": [f"appliance/{name}", "-t", target]
          for name in ("hello", "echo", "web", "guestbook") for target in ("jail", "vm")}


def run(*command):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if done.returncode:
        sys.exit(f"kiln: {' '.join(command)}:\n{done.stderr}")
    return done.stdout


def image(name):
    path = os.path.join(WORK, name)
    if path not in image.built:
        run(KILN, "build", *IMAGES[name], "-o", path)
        image.built.add(path)
    return path


image.built = set()


def figure(found):
    """What stands for {{...}} in a page."""
    what, *arguments = found.group(1).split()
    if what == "bytes":
        return f"{os.path.getsize(image(arguments[0])):,}"
    if what == "map":
        return map_figure(arguments[0], " ".join(arguments[1:]))
    if what == "libraries":
        return library_rows(*arguments)
    if what == "bench":
        return bench_figures(*arguments)
    if what == "lines":
        return f"{sum(count_lines(path) for path in arguments):,}"
    sys.exit(f"kiln: the guide has an unknown figure {{{{{found.group(1)}}}}}")


def map_figure(name, caption):
    """The picture of an image: no <img>, as it says more where it is pointed at."""
    path = f"map-{name.replace('.', '-')}.svg"
    run(KILN, "map", image(name), "-o", os.path.join(WORK, path))
    with open(os.path.join(WORK, path), "rb") as file:
        pictures[path] = file.read()
    width, height = re.search(rb'viewBox="0 0 (\d+) (\d+)"', pictures[path]).groups()
    return (f'<figure><object type="image/svg+xml" data="{path}" width="{int(width)}" '
            f'height="{int(height)}" aria-label="{caption}"></object><figcaption>{caption} '
            f'<a href="{path}">By itself</a>.</figcaption></figure>')


pictures = {}  # made for a page: bytes by path


def library_rows(*names):
    """Rows of a table: what each library takes of the images."""
    takes = [{library["name"]: library["bytes"] for library in
              json.loads(run(KILN, "map", image(name), "--json"))["libraries"]} for name in names]
    order = sorted(set().union(*takes), key=lambda name: -max(of.get(name, 0) for of in takes))
    return "\n".join(f"| {name} | " + " | ".join(f"{of.get(name, 0):,}" for of in takes) + " |"
                     for name in order)


def bench_figures(name):
    """What `make figures` measured: when, where, the plot, and a table for each case."""
    measured = os.path.join(ROOT, "doc/guide", f"bench-{name}.")
    if not os.path.exists(measured + "json"):
        return "None have been committed yet."
    with open(measured + "json", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    with open(measured + "about", encoding="utf-8") as file:
        out = [html.escape(file.read().strip(), quote=False)]
    caption = f"kiln bench {name}, as it drew itself."
    out.append(f'<figure><object type="image/svg+xml" data="bench-{name}.svg" '
               f'aria-label="{caption}"></object><figcaption>{caption} '
               f'<a href="bench-{name}.svg">By itself</a>.</figcaption></figure>')
    for case in dict.fromkeys(row["case"] for row in rows):
        out.append(f"### {case}\n\n" + bench_table([row for row in rows if row["case"] == case]))
    return "\n\n".join(out)


def bench_table(rows):
    """Of a case; without the columns that none of its rows has a figure for."""
    columns = [("cpu_us_per_op", f"CPU, µs/{rows[0]['cpu_unit']}"),
               ("ops_per_s", f"{rows[0]['ops_unit']}/s"), ("cycles_per_op", "cycles"),
               ("p50_us", "p50, µs"), ("p99_us", "p99, µs"), ("p999_us", "p99.9, µs"),
               ("ratio", "ratio"), ("floor_ratio", "× floor"), ("rss_kb", "resident, KiB")]
    columns = [column for column in columns if any(row.get(column[0]) is not None for row in rows)]
    lines = ["| | " + " | ".join(title for _, title in columns) + " |",
             "| --- |" + " ---: |" * len(columns)]
    for row in rows:
        values = ["-" if row.get(key) is None else f"{row[key]:,.3g}" if row[key] < 100 else
                  f"{row[key]:,.0f}" for key, _ in columns]
        lines.append(f"| {row['subject']} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def count_lines(folder):
    total = 0
    for top, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in names:
            if name.endswith((".c", ".h", ".S")):
                with open(os.path.join(top, name), encoding="utf-8") as file:
                    total += sum(1 for _ in file)
    return total


# ---- the guide ----

PLACE = '<div class="fence">{}</div>'


def take_fences(text, links):
    """The text with places for its code blocks, before anything else is looked for in them, and
    those blocks as HTML."""
    blocks = []

    def replace(found):
        block = guide.block(found)
        caption = f'<p class="file">{block.words["file"]}</p>' if "file" in block.words else ""
        shown = highlight(block.code, block.language, links)
        blocks.append(f'<div class="code in-{block.language}">{caption}<pre tabindex="0"><code>'
                      f"{shown}</code></pre></div>")
        return f"\n{PLACE.format(len(blocks) - 1)}\n"
    return guide.FENCE.sub(replace, text), blocks


LINKABLE = re.compile(r"<(a|h\d|pre)\b.*?</\1>|<code>([^<]*)</code>", re.S)


def link_code(text, links):
    """`http_serve()` in the text leads to the reference; not within a link or a heading."""
    def replace(found):
        name = html.unescape(found.group(2) or "").removesuffix("()")
        url = links(name) if "_" in name or " " in name else None
        return f'<a href="{url}">{found.group()}</a>' if url else found.group()
    return LINKABLE.sub(replace, text)


def guide_page(name, chapter, links):
    text = re.sub(r"\{\{(.+?)\}\}", figure, guide.read(name))
    path = name + ".html"
    links = links.on(path)
    text, blocks = take_fences(text, links)
    md = markdown.Markdown(extensions=["tables", "toc", "def_list", "sane_lists"])
    body = link_code(md.convert(text), links)
    for number, block in enumerate(blocks):
        body = body.replace(PLACE.format(number), block)
    body = re.sub(r'href="(\.\./)*include/kiln/([\w/]+)\.h"',
                  lambda f: f'href="reference/{f.group(2).replace("/", "-")}.html"', body)
    body = body.replace('href="command.md"', 'href="reference/command.html"')
    body = re.sub(r'href="(?!https?:)[\w/.-]*?(\w+)\.md(#[\w-]+)?"', r'href="\1.html\2"', body)
    body = re.sub(r"<table>.*?</table>", r'<div class="table" tabindex="0">\g<0></div>', body,
                  flags=re.S)
    title = re.search(r"<h1[^>]*>(.*?)</h1>", body)
    body = body.replace(title.group(), "", 1)
    plain = re.sub(r"<[^>]+>", "", title.group(1))
    contents = [(token["id"], token["name"], []) for token in top_tokens(md.toc_tokens)]
    return Page(path, plain, body, chapter, SHORT.get(name) or plain.split(":")[0], contents)


def top_tokens(tokens):
    """Second-level headings, wherever the first-level one is in them."""
    for token in tokens:
        if token["level"] == 2:
            yield token
        else:
            yield from top_tokens(token["children"])


# ---- the reference ----

def reference_pages(headers, links):
    rows = []
    for header in headers:
        body, contents = reference.body(header, links.on(header.page))
        yield Page(header.page, f"<{header.path}>", body, REFERENCE, header.path[5:-2], contents)
        rows.append(f'<tr><td><a href="{os.path.basename(header.page)}">{header.path[5:]}</a></td>'
                    f"<td>{html.escape(reference.summary(header), quote=False)}</td></tr>")
    yield Page("reference/index.html", "Reference: the public headers",
               "<p>Made from the headers themselves, which are the manual: units, ownership, "
               "errors and the RFC's section stand with each declaration.</p>"
               f'<div class="table"><table><tbody>{"".join(rows)}</tbody></table></div>',
               REFERENCE, "Public headers")


def command_page():
    names = re.findall(r"^kiln (\w+)", run(KILN, "help"), re.M)
    names = list(dict.fromkeys(name for name in names if name not in ("turns", "help")))
    body = [f'<pre tabindex="0"><code>{html.escape(run(KILN, "help"))}</code></pre>']
    for name in names:
        text = html.escape(run(KILN, "help", name))
        body.append(f'<h2 id="{name}">kiln {name}</h2><pre tabindex="0"><code>{text}</code></pre>')
    return Page("reference/command.html", "The kiln command", "\n".join(body), REFERENCE,
                "The kiln command", [(name, "kiln " + name, []) for name in names])


# ---- putting it together ----

def navigation(pages, here, base):
    out = []
    for chapter in dict.fromkeys(page.chapter for page in pages):
        out.append(f"<h2>{chapter}</h2><ul>")
        for page in pages:
            # Of the reference, the headers are listed on their own page.
            if page.chapter != chapter or (is_header(page) and not is_header(here) and
                                           here.path != "reference/index.html"):
                continue
            current = ' aria-current="page"' if page is here else ""
            kind = ' class="header"' if is_header(page) else ""
            out.append(f'<li{kind}><a href="{base}{page.path}"{current}>'
                       f"{html.escape(page.short)}</a></li>")
        out.append("</ul>")
    return "".join(out)


def is_header(page):
    return page.path.startswith("reference/") and \
        page.path not in ("reference/index.html", "reference/command.html")


def contents_list(page):
    if sum(1 + len(names) for _, _, names in page.contents) < 2:
        return ""
    out = ['<nav class="contents" aria-label="On this page"><p>On this page</p><ul>']
    for anchor, title, names in page.contents:
        if title:
            title = title if page.chapter != REFERENCE else html.escape(title)
            out.append(f'<li><a href="#{anchor}">{title}</a></li>')
        out.extend(f'<li class="name"><a href="#{a}">{html.escape(name)}</a></li>'
                   for a, name in names)
    return "".join(out) + "</ul></nav>"


def beside(pages, number, base):
    """Links to the pages before and behind."""
    def link(page, rel, text):
        return (f'<a rel="{rel}" href="{base}{page.path}"><span>{text}</span>'
                f"{html.escape(page.short)}</a>")
    before = link(pages[number - 1], "prev", "Previous") if number else "<span></span>"
    behind = link(pages[number + 1], "next", "Next") if number + 1 < len(pages) else ""
    return before + behind


def render(template, pages, page, base):
    number = pages.index(page) if page in pages else None
    return template.substitute(
        title=html.escape(page.title if page.path == "index.html" else page.title + " - Kiln"),
        heading=html.escape(page.title, quote=False), base=base, body=page.body,
        kind="home" if page.path == "index.html" else page.chapter.lower(),
        navigation=navigation(pages, page, base), contents=contents_list(page),
        beside="" if number is None else beside(pages, number, base))


def write(folder, path, text):
    """Leaves a file with these bytes alone."""
    path = os.path.join(folder, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except FileNotFoundError:
        pass
    with open(path, "wb") as file:
        file.write(data)


def copy_pictures(folder):
    """Pictures and style, as they are; what they are named by."""
    copied = []
    for source in (HERE, os.path.join(ROOT, "doc/guide")):
        for name in sorted(os.listdir(source)):
            if name.endswith((".css", ".svg", ".png")):
                with open(os.path.join(source, name), "rb") as file:
                    write(folder, name, file.read())
                copied.append(name)
    return copied


def make_pages():
    headers = reference.read_headers(os.path.join(ROOT, "include"))
    links = reference.Links(headers)
    pages = [guide_page(name, chapter, links) for chapter, names in guide.CHAPTERS for name in names
             if guide.exists(name)]
    of_reference = list(reference_pages(headers, links))
    return pages + [command_page(), of_reference[-1]] + of_reference[:-1]


def remove_others(folder, kept):
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if os.path.relpath(path, folder) not in kept:
                os.unlink(path)


def main(arguments):
    if len(arguments) != 1:
        print("usage: build.py FOLDER", file=sys.stderr)
        return 2
    folder = arguments[0]
    os.makedirs(WORK, exist_ok=True)
    with open(os.path.join(HERE, "page.html"), encoding="utf-8") as file:
        template = string.Template(file.read())
    pages = make_pages()
    for page in pages:
        base = "../" * page.path.count("/")
        write(folder, page.path, render(template, pages, page, base))
    # Shown for any path: its links must not depend on where it is.
    missing = Page("404.html", "There is no such page", "<p>It may have moved: "
                   '<a href="/index.html">begin at the front</a>.</p>', "")
    write(folder, "404.html", render(template, pages, missing, "/"))
    for path, data in pictures.items():
        write(folder, path, data)
    remove_others(folder, {page.path for page in pages} | {"404.html"} |
                  set(pictures) | set(copy_pictures(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
