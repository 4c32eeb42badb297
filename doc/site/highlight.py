"""Colours for code, at build time: no script runs in the page. In C, what the public headers
declare becomes a link to where it is described."""

import html

import pygments.lexers
from pygments.token import Comment, Keyword, Name, Number, String

# The few kinds that are told apart, by class; the first that a token belongs to counts.
KINDS = [(Comment.Preproc, "p"), (Comment.PreprocFile, "s"), (Comment, "c"), (Keyword, "k"),
         (String, "s"), (Number, "n"), (Name.Builtin, "b")]
LEXERS = {"c": "c", "sh": "bash", "make": "make", "json": "json", "html": "html"}


def kind(token):
    return next((name for of, name in KINDS if token in of), None)


def highlight(code, language, links=None, anchors=()):
    """HTML of the code. `links`: a function from "name" or "struct name" to a URL, or None;
    `anchors`: such names that are declared here, each given its id where it first stands."""
    lexer = LEXERS.get(language)
    if not lexer:
        return html.escape(code)
    left, out, tag = set(anchors), [], ""
    for token, text in pygments.lexers.get_lexer_by_name(lexer, stripnl=False).get_tokens(code):
        shown = html.escape(text)
        if language == "c" and token in Comment.Preproc and text.strip() != "":
            shown = preprocessor(text, links, left)
        elif language == "c" and token not in Comment and token not in String:
            shown = identifier(text, tag, links, left)
        if text.strip():
            tag = text + " " if text in ("struct", "enum", "union") else ""
        name = kind(token)
        out.append(f'<span class="{name}">{shown}</span>' if name else shown)
    return "".join(out).rstrip("\n")


def anchor_of(name):
    return name.replace(" ", "-")


def identifier(text, tag, links, left):
    """One token, declared here, described elsewhere, or neither."""
    name, shown = tag + text, html.escape(text)
    if name in left:
        left.discard(name)
        return f'<span class="f" id="{anchor_of(name)}">{shown}</span>'
    url = links(name) if links else None
    return f'<a href="{url}">{shown}</a>' if url else shown


def preprocessor(text, links, left):
    """Pygments has a directive as one token; a macro's name in it is declared here."""
    words = text.split("(")[0].lstrip("# ").split()
    if len(words) > 1 and words[0] == "define" and words[1] in left:
        before, _, behind = text.partition(words[1])
        return html.escape(before) + identifier(words[1], "", links, left) + html.escape(behind)
    return html.escape(text)
