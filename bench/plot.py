"""Draws what a benchmark found as an SVG.

For each case one chart, or two beside each other: what an operation takes of the processor, and
how many there are in a second. A subject is a bar to its median, with a line from the least to the
greatest of the rounds. What depends on a size is drawn as curves over it.
"""

import math
import os
from xml.sax.saxutils import escape

from report import digits

COLOURS = {"kiln-host": "#9db8e8", "kiln-jail-tap": "#2f5fc4", "kiln-kvm": "#6f93dc",
           "nginx": "#8cc79a", "nginx-tuned": "#35884a", "lighttpd": "#e0923a",
           "apache": "#b04a5a", "kiln-jail": "#2f5fc4", "kiln-jail-alone": "#9db8e8",
           "kernel-udp": "#35884a", "iperf3": "#35884a", "pthread": "#35884a",
           "static-binary": "#35884a", "frame-loop": "#c9b458",
           "kiln-jail-xdp": "#1d3a7a", "bind": "#b04a5a", "nsd": "#e0923a", "knot": "#35884a"}
OTHER = "#888888"

WIDTH, MARGIN = 980, 24
NAMES, NUMBERS, GAP = 110, 74, 30  # beside a chart's bars: subjects, figures; between charts
BAR, STEP = 14, 20
HEAD, TITLE, FOOT = 66, 52, 30
CURVES = 260  # their height
CHART = (WIDTH - 2 * MARGIN - NAMES - GAP) / 2


def text(x, y, what, kind, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">' \
           f'{escape(what)}</text>'


class Chart:
    """One figure of all subjects; bars from x to the right."""

    def __init__(self, x, rows, key, title, unit=1.0, better="less"):
        self.x = x
        self.rows = rows
        self.title = f"{title} ({better} is better)"
        self.values = [[row[key + end] / unit for end in ("", "_min", "_max")] for row in rows]
        most = max(max(value) for value in self.values)
        self.scale = (CHART - NUMBERS) / most if most else 0

    def draw(self, y):
        yield text(self.x, y - 8, self.title, "axis")
        for n, (row, (median, least, most)) in enumerate(zip(self.rows, self.values)):
            top, middle = y + n * STEP, y + n * STEP + BAR / 2
            length = median * self.scale
            low, high = self.x + least * self.scale, self.x + most * self.scale
            colour = COLOURS.get(row["subject"], OTHER)
            yield (f'<rect x="{self.x:.1f}" y="{top}" width="{length:.1f}" height="{BAR}" '
                   f'fill="{colour}"><title>{escape(row["subject"])}: {digits(median)}, '
                   f'{digits(least)} to {digits(most)}</title></rect>')
            yield (f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 3}v6'
                   f'M{high:.1f} {middle - 3}v6" class="spread"/>')
            yield text(max(high, self.x + length) + 6, middle + 4, digits(median), "number")


def charts(case, rows):
    left = MARGIN + NAMES
    right = left + CHART + GAP
    unit = case.unit
    cpu = f"CPU time of a {unit.op}, {unit.time.replace('us', 'µs')}"
    if case.compared == "p50_us":
        return [Chart(left, rows, "p50_us", "milliseconds", 1e3),
                Chart(right, rows, "cpu_us_per_op", cpu, 1 / unit.per_us)]
    found = [Chart(left, rows, "cpu_us_per_op", cpu, 1 / unit.per_us)]
    if all(row["ops_per_s"] is not None for row in rows):
        found.append(Chart(right, rows, "ops_per_s", unit.rate, unit.ops_per_rate, "more"))
    return found


def curves(title, points, y):
    """Of (size, row): operations in a second of the server's processor, over the size. A curve
    ends with its subject's name."""
    sizes = sorted({size for size, _ in points})
    rates = [(size, row["subject"], 1e6 / row["cpu_us_per_op"]) for size, row in points]
    most = max(rate for _, _, rate in rates)
    left, right = MARGIN + NAMES, WIDTH - MARGIN - NAMES - NUMBERS
    bottom, top = y + CURVES - TITLE, y + TITLE / 2

    def place(size, rate):
        return (left + (right - left) * math.log(size / sizes[0], sizes[-1] / sizes[0]),
                bottom - (bottom - top) * rate / most)

    yield text(MARGIN, y + 8, title, "case")
    yield f'<path d="M{left} {top:.1f}V{bottom:.1f}H{right:.1f}" class="spread"/>'
    yield text(left - 8, top + 4, digits(most), "number", "end")
    yield text(left - 8, bottom + 4, "0", "number", "end")
    for size in sizes:
        yield text(place(size, 0)[0], bottom + 18, f"{size:,}", "number", "middle")
    lowest = bottom
    ends = [(rate, subject) for size, subject, rate in rates if size == sizes[-1]]
    for rate, subject in sorted(ends):
        path = [place(*one[::2]) for one in rates if one[1] == subject]
        yield (f'<path d="M{" L".join(f"{px:.1f} {py:.1f}" for px, py in path)}" fill="none" '
               f'stroke="{COLOURS.get(subject, OTHER)}" stroke-width="2"/>')
        lowest = min(lowest, path[-1][1] + 4)
        yield text(right + 8, lowest, f"{subject} {digits(rate)}", "number")
        lowest -= STEP * 0.7


def draw(title, note, cases, curved=()):
    """The SVG's text; cases with their rows, and what is curved with its points."""
    curved = list(curved)
    height = HEAD + sum(TITLE + len(rows) * STEP for _, rows in cases) + FOOT + \
        CURVES * len(curved)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}">',
             "<style>text{font-family:sans-serif;font-size:12px;fill:#222}"
             ".title{font-size:18px;font-weight:bold}.case{font-size:14px;font-weight:bold}"
             ".axis,.note{fill:#666;font-size:11px}"
             ".spread{stroke:#222;stroke-width:1.2;fill:none;opacity:.75}</style>",
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             text(MARGIN, 32, title, "title"), text(MARGIN, 50, note, "note")]
    y = HEAD
    for name, points in curved:
        lines += curves(name, points, y)
        y += CURVES
    for case, rows in cases:
        lines.append(text(MARGIN, y + 18, case.name, "case"))
        lines.append(text(MARGIN + NAMES + 40, y + 18, case.title, "note"))
        y += TITLE
        for n, row in enumerate(rows):
            lines.append(text(MARGIN + NAMES - 8, y + n * STEP + BAR / 2 + 4, row["subject"],
                              "name", "end"))
        for chart in charts(case, rows):
            lines += chart.draw(y)
        y += len(rows) * STEP
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def write(path, title, note, cases, curved=()):
    partial = f"{path}.{os.getpid()}"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(draw(title, note, cases, curved))
    os.replace(partial, path)
