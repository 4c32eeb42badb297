"""A guest's network card between Kiln and the bad link: what `bulk` does in a jail, once."""

from linked import CORRUPT, DUPLICATE, IN_GUEST, LOSS, REORDER, call, serve

WORLDS = IN_GUEST
SIZE = 250_000
LINK = LOSS + REORDER + DUPLICATE + CORRUPT
HAPPENED = ["lost", "reordered", "duplicated", "corrupted"]


def test_server(world):
    """in a guest, a server's upload and download arrive over a bad link"""
    serve(world, SIZE, HAPPENED, link=LINK)


def test_client(world):
    """in a guest, what a client is told comes back over a bad link"""
    call(world, SIZE, HAPPENED, link=LINK)
