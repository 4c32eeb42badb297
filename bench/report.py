"""What came out of a benchmark: medians, spread, ratios, as rows (one for a case and a subject),
as tables and as warnings.

A bench hands over samples: for each case and subject one dictionary a run, with the figures
cpu_us_per_op, p50_us, p99_us, rss_kb and, where it was load, ops_per_s, server_busy, client_busy,
softirq_us_per_op and others_busy (ground.py). A case has a name, a title, and says by `compared`
of which figure its ratios are.
"""

import statistics

SPREAD = ("ops_per_s", "cpu_us_per_op", "p50_us")  # whose least and greatest are kept
WIDE_SPREAD = 0.25  # (max - min) / median, above which a warning is given
BUSY_OTHERS = 0.1  # of the server's processor, likewise
MUCH_SOFTIRQ = 0.05  # of a request's CPU time, likewise


def values(samples, key):
    return [sample[key] for sample in samples if sample.get(key) is not None]


def median(samples, key, digits):
    found = values(samples, key)
    return round(statistics.median(found), digits) if found else None


def summarise(bench, case, subject, samples):
    row = {"bench": bench, "case": case.name, "subject": subject, "runs": len(samples),
           "ops_per_s": median(samples, "ops_per_s", 1),
           "cpu_us_per_op": median(samples, "cpu_us_per_op", 3),
           "p50_us": median(samples, "p50_us", 1), "p99_us": median(samples, "p99_us", 1),
           "rss_kb": median(samples, "rss_kb", 0)}
    if row["p99_us"] is None:  # a run is one operation
        row["p99_us"] = nearest_rank(values(samples, "p50_us"), 0.99)
    for key in SPREAD:
        found = values(samples, key)
        row[key + "_min"] = round(min(found), 3) if found else None
        row[key + "_max"] = round(max(found), 3) if found else None
    for key in ("server_busy", "client_busy", "softirq_us_per_op", "others_busy"):
        row[key] = median(samples, key, 3)
    return row


def nearest_rank(found, share):
    return round(sorted(found)[-1 - int(len(found) * (1 - share))], 1)


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
            ratios = [theirs[case.compared] / own[case.compared] for theirs, own in
                      zip(samples[best["subject"]], samples[row["subject"]])]
            row["ratio"] = round(statistics.median(ratios), 3)
            row["ratio_min"], row["ratio_max"] = round(min(ratios), 3), round(max(ratios), 3)
    return found


def print_table(columns, lines):
    """The first column to the left, the others to the right."""
    widths = [max(len(line[i]) for line in [columns] + lines) for i in range(len(columns))]
    for line in [columns] + lines:
        print("  " + "  ".join(text.ljust(width) if i == 0 else text.rjust(width)
                               for i, (text, width) in enumerate(zip(line, widths))).rstrip())


def ratio_texts(row):
    if row["ratio"] is None:
        return ["", ""]
    return [f"{row['ratio']:.2f}", f"{row['ratio_min']:.2f}..{row['ratio_max']:.2f}"]


def print_single(found):
    """Of a case whose runs are one operation each."""
    print_table(["", "ms", "min..max", "ratio", "min..max", "CPU ms", "resident KiB"],
                [[row["subject"], f"{row['p50_us'] / 1e3:.2f}",
                  f"{row['p50_us_min'] / 1e3:.2f}..{row['p50_us_max'] / 1e3:.2f}",
                  *ratio_texts(row), f"{row['cpu_us_per_op'] / 1e3:.2f}",
                  f"{row['rss_kb']:,.0f}"] for row in found])


def print_load(found):
    print_table(["", "CPU us", "min..max", "ratio", "min..max", "requests/s", "p50 us", "p99 us",
                 "resident KiB", "server", "client"],
                [[row["subject"], f"{row['cpu_us_per_op']:.2f}",
                  f"{row['cpu_us_per_op_min']:.2f}..{row['cpu_us_per_op_max']:.2f}",
                  *ratio_texts(row), f"{row['ops_per_s']:,.0f}", f"{row['p50_us']:,.0f}",
                  f"{row['p99_us']:,.0f}", f"{row['rss_kb']:,.0f}", f"{row['server_busy']:.0%}",
                  f"{row['client_busy']:.0%}"] for row in found])


def print_tables(title, results):
    print(title)
    for case, found in results:
        print(f"\n{case.name}: {case.title}")
        if found[0]["ops_per_s"] is None:
            print_single(found)
        else:
            print_load(found)
    rivals = {row["ratio_to"] for _, found in results for row in found} - {None}
    print("\nCPU us: of a request, user and system, all of the server's processes; server, client: "
          "how much\nof their processors they used.", end="")
    if rivals:
        print(" ratio: how many times as good as the best of the others, whose\nown is 1, in CPU "
              "time (for first-byte in time), round by round.", end="")
    print()


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
    for row in found:
        if (row["softirq_us_per_op"] or 0) > MUCH_SOFTIRQ * row["cpu_us_per_op"]:
            yield (f"{where(row)}: {row['softirq_us_per_op']:.2f} us a request of its network "
                   f"work ran in the kernel's thread, and is in nobody's figure")
