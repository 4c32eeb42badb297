"""Bodies that pass a bad link, both ways, with Kiln as the server and as the client."""

from linked import CORRUPT, DELAY, DUPLICATE, JAILED, LOSS, REORDER, call, serve

WORLDS = JAILED
SIZE = 1_000_003
# What the link does, in words, how it is told to, and what it counts then.
LINKS = [
    ("5 % loss", LOSS, ["lost"]),
    ("25 % reordering", REORDER, ["reordered"]),
    ("5 % duplicates", DUPLICATE, ["duplicated"]),
    ("1 % corruption", CORRUPT, ["corrupted"]),
    ("100 ms of delay with jitter", DELAY, []),
    ("all of that at once", LOSS + REORDER + DUPLICATE + CORRUPT + DELAY,
     ["lost", "reordered", "duplicated", "corrupted"]),
]


def add_tests(words, options, happened):
    size = SIZE if len(happened) < 2 else SIZE // 16

    def server(world):
        serve(world, size, happened, link=options)

    def client(world):
        call(world, size, happened, link=options)
    server.__doc__ = f"with {words}, a server's upload and download arrive"
    client.__doc__ = f"with {words}, what a client is told comes back"
    return server, client


for index, entry in enumerate(LINKS):
    globals()[f"test_server_{index}"], globals()[f"test_client_{index}"] = add_tests(*entry)
