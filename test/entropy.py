"""How much of an address is left to chance, as far as starting an image many times shows it."""

import re

from harness import check, check_equal

STARTS = 200
# A bit that is 0 or 1 by chance is seen as the rarer of the two in half of the starts; in less
# than a quarter of 200 once in 10^12 times.
RARELY = STARTS // 4
ADDRESSES = 1 << 47  # of user space


def chance_bits(numbers):
    """How many bits of these numbers are left to chance."""
    count = 0
    for bit in range(64):
        ones = sum(number >> bit & 1 for number in numbers)
        count += min(ones, len(numbers) - ones) >= RARELY
    return count


def measure(start):
    """Starts the image with the attack `where`; bits by the name of what lies there, and by
    the names of two for the distance between them."""
    places = {}
    for _ in range(STARTS):
        outcome = start("where")
        check_equal(outcome.status, 0, outcome.output)
        for name, address in re.findall(r"^(\w+) 0x(\w+)$", outcome.output, re.M):
            places.setdefault(name, []).append(int(address, 16))
    bits = {name: chance_bits(numbers) for name, numbers in places.items()}
    for name, numbers in places.items():
        check_equal(len(set(numbers)), STARTS, f"different addresses of {name}")
        bits[f"{name} from text"] = chance_bits(
            [(number - text) % ADDRESSES for number, text in zip(numbers, places["text"])])
    print(f"# bits of chance in {STARTS} starts: " +
          ", ".join(f"{name} {count}" for name, count in bits.items()), flush=True)
    return bits


def check_at_least(bits, least):
    for name, count in least.items():
        check(bits[name] >= count, f"{name}: {bits[name]} bits, not {count}: {bits}")
