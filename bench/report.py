"""What came out of a benchmark: medians, spread, ratios, as rows (one for a case and a subject),
as tables and as warnings.

A bench hands over samples: for each case and subject one dictionary a run, with the figures
cpu_us_per_op, p50_us, p99_us, p999_us, rss_kb, cycles_per_op, ops_per_s, server_busy, client_busy
and others_busy, as far as it has them (rounds.py). A case has a name, a title and a unit, and says by
`compared` of which figure its ratios are.
"""

import statistics
import textwrap
from dataclasses import dataclass

FLOOR = "frame-loop"  # the subject that has no stack
SPREAD = ("ops_per_s", "cpu_us_per_op", "p50_us")  # whose least and greatest are kept
WIDE_SPREAD = 0.25  # (max - min) / median, above which a warning is given
BUSY_OTHERS = 0.1  # of the server's processor, likewise


@dataclass
class Unit:
    """What is counted in a case, and how it is shown."""

    ops: str  # ops_per_s is of these
    op: str  # cpu_us_per_op is of one of these
    time: str = "us"  # as which that is shown,
    per_us: float = 1.0  # so many to a microsecond
    rate: str = ""  # as which ops_per_s is shown,
    ops_per_rate: float = 1.0  # so many to one


REQUESTS = Unit("requests", "request", rate="requests/s")
STARTS = Unit("starts", "start", "ms", 1e-3)


def values(samples, key):
    return [sample[key] for sample in samples if sample.get(key) is not None]


def median(samples, key, digits):
    found = values(samples, key)
    return round(statistics.median(found), digits) if found else None


def summarise(bench, case, subject, samples):
    row = {"bench": bench, "case": case.name, "subject": subject, "runs": len(samples),
           "ops_per_s": median(samples, "ops_per_s", 1), "ops_unit": case.unit.ops,
           "cpu_us_per_op": median(samples, "cpu_us_per_op", 5), "cpu_unit": case.unit.op,
           "p50_us": median(samples, "p50_us", 1), "p99_us": median(samples, "p99_us", 1),
           "p999_us": median(samples, "p999_us", 1),
           "rss_kb": median(samples, "rss_kb", 0)}
    if case.compared == "p50_us":  # a run is one operation
        row["p99_us"] = nearest_rank(values(samples, "p50_us"), 0.99)
    for key in SPREAD:
        found = values(samples, key)
        row[key + "_min"] = round(min(found), 5) if found else None
        row[key + "_max"] = round(max(found), 5) if found else None
    for key in case.figures:
        row[key] = median(samples, key, 3)
    for key in ("server_busy", "client_busy", "others_busy", "cycles_per_op"):
        row[key] = median(samples, key, 3)
    return row


def nearest_rank(found, share):
    return round(sorted(found)[-1 - int(len(found) * (1 - share))], 1)


def quotients(samples, others, key):
    """Of a figure, round by round."""
    return [own[key] / theirs[key] for own, theirs in zip(samples, others)]


def by_rounds(samples, others, key):
    return round(statistics.median(quotients(samples, others, key)), 3)


def rows(bench, case, samples, rivals):
    """The rows of a case; samples by subject. The best rival is that of the best median; a ratio
    is of two runs in the same round, for what else the machine does changes from round to round.
    """
    found = [summarise(bench, case, subject, runs) for subject, runs in samples.items()]
    best = min((row for row in found if row["subject"] in rivals),
               key=lambda row: row[case.compared], default=None)
    for row in found:
        row["ratio_to"] = best and best["subject"]
        row["ratio"] = row["ratio_min"] = row["ratio_max"] = None
        if best:
            ratios = quotients(samples[best["subject"]], samples[row["subject"]], case.compared)
            row["ratio"] = round(statistics.median(ratios), 3)
            row["ratio_min"], row["ratio_max"] = round(min(ratios), 3), round(max(ratios), 3)
        least = samples.get(FLOOR)
        row["floor_ratio"] = (by_rounds(samples[row["subject"]], least, case.compared)
                              if least else None)
    return found


def print_table(columns, lines):
    """The first column to the left, the others to the right."""
    widths = [max(len(line[i]) for line in [columns] + lines) for i in range(len(columns))]
    for line in [columns] + lines:
        print("  " + "  ".join(text.ljust(width) if i == 0 else text.rjust(width)
                               for i, (text, width) in enumerate(zip(line, widths))).rstrip())


def digits(value):
    """As many behind the point as say something."""
    return f"{value:,.{max(0, 3 - len(str(int(value))))}f}"


def scaled(per):
    return lambda value: digits(value / per)


def column(title, key, form=digits):
    return title, lambda row: "" if row[key] is None else form(row[key])


def columns_with_range(title, key, form):
    """A figure, and its least and greatest."""
    return [column(title, key, form),
            ("min..max", lambda row: "" if row[key] is None else
             f"{form(row[key + '_min'])}..{form(row[key + '_max'])}")]


RATIO = columns_with_range("ratio", "ratio", "{:.2f}".format)


def columns_of(case):
    """What is compared first."""
    unit = case.unit
    cpu = columns_with_range(f"CPU {unit.time}", "cpu_us_per_op",
                             scaled(1 / unit.per_us))
    if case.compared == "p50_us":
        first = columns_with_range("ms", "p50_us", scaled(1e3)) + RATIO + cpu[:1]
    else:
        first = cpu + RATIO + [
            column("cycles", "cycles_per_op"),
            column(unit.rate, "ops_per_s", scaled(unit.ops_per_rate)),
            column("x floor", "floor_ratio"),
            column("p50 us", "p50_us"), column("p99 us", "p99_us"),
            column("p99.9 us", "p999_us")]
    first += [column(title, key) for key, title in case.figures.items()]
    return [column("", "subject", str)] + first + [
        column("resident KiB", "rss_kb", "{:,.0f}".format),
        column("server", "server_busy", "{:.0%}".format),
        column("client", "client_busy", "{:.0%}".format)]


def print_case(case, found):
    table = [(title, [text(row) for row in found]) for title, text in columns_of(case)]
    table = [(title, texts) for title, texts in table if any(texts)]
    print_table([title for title, _ in table],
                [list(line) for line in zip(*(texts for _, texts in table))])


def print_tables(title, results):
    print(title)
    for case, found in results:
        print(f"\n{case.name}: {case.title}")
        print_case(case, found)
    print()
    print(textwrap.fill(explanation(results), 95))


def explanation(results):
    ops = " or a ".join(dict.fromkeys(case.unit.op for case, _ in results))
    rows_of_all = [row for _, found in results for row in found]
    text = f"CPU: of a {ops}, user and system, all of a subject's processes"
    if any(row["server_busy"] is not None for row in rows_of_all):
        text += (", and its processor's soft interrupts; server, client: how much of their "
                 "processors they used")
    if any(row["ratio_to"] for row in rows_of_all):
        text += (". ratio: how many times as good as the best of the others, whose own is 1, in "
                 "CPU time (of what is but started: in time), round by round")
    if any(row["floor_ratio"] for row in rows_of_all):
        text += f". x floor: how many times the CPU time of {FLOOR}, which has no stack"
    return text + "."


def spread(row, key):
    return (row[key + "_max"] - row[key + "_min"]) / row[key] if row[key] else 0


def warnings(results):
    """What a reader has to know about how sure the figures are."""
    found = [row for _, rows_of_case in results for row in rows_of_case]

    def where(row):
        return f"{row['case']}, {row['subject']}"

    compared = [(spread(row, key), row, key) for row in found for key in SPREAD[:2] if row[key]]
    wide = [one for one in compared if one[0] > WIDE_SPREAD]
    if wide:
        _, row, key = max(wide, key=lambda one: one[0])
        yield (f"in {len(wide)} of {len(compared)} figures the rounds lie more than "
               f"{WIDE_SPREAD:.0%} apart, most in {where(row)}: {key} from "
               f"{row[key + '_min']:,.1f} to {row[key + '_max']:,.1f}")
    row = max(found, key=lambda row: row["others_busy"] or 0)
    if (row["others_busy"] or 0) > BUSY_OTHERS:
        yield (f"others used the server's processor as well: {row['others_busy']:.0%} of it in "
               f"{where(row)}")
