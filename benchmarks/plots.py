"""`python -m benchmarks.plots`: the pictures and the table of `docs/performance.md`, from `docs/performance.json`.

Both come from `nox -s bench`, what grows from `nox -s bench -- --growth`.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DOCS = Path(__file__).parent.parent / "docs"
PAGE, NUMBERS = DOCS / "performance.md", DOCS / "performance.json"
PICTURES = DOCS / "pictures"
TABLE = re.compile(r"(<!-- table -->\n).*(<!-- end of table -->)", re.DOTALL)

NAMES = {"bare": "bare grpc.aio", "ours": "ours, grpcio", "asgi": "ours, asgi", "peer": "flyte"}
COLOURS = {"bare": "#8a8f98", "ours": "#2a6fdb", "asgi": "#0f9d70", "peer": "#c2571a"}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 300, 60, 40, 50


def main() -> None:
    """Write the pictures and the table."""
    numbers = json.loads(NUMBERS.read_text())
    rows = numbers["rows"]
    requests = [row for row in rows if row["unit"] == "µs" and "Task" in row["measure"]]
    if requests:
        _write("performance-requests", _bars(requests))
    for kind in next(iter(numbers["growth"].values()), {}):
        curves = {name: found[kind] for name, found in numbers["growth"].items()}
        name = re.sub(r"\W+", "-", kind.lower())
        _write(f"performance-{name}", _lines(kind, curves))
    page = TABLE.sub(lambda found: found[1] + _table(rows) + found[2], PAGE.read_text())
    PAGE.write_text(page)


def _write(name: str, picture: str) -> None:
    (PICTURES / f"{name}.svg").write_text(picture)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "| measure | bare | ours, grpcio | ours, asgi | flyte | target | |\n"
    lines = [head, "|---|---|---|---|---|---|---|\n"]
    for row in rows:
        cells = [_value(row, name) for name in NAMES]
        results = [("grpcio", row["limit"], row["is_reached"])]
        if row["samples"].get("asgi"):
            limit = row["limit"] if row["asgi_limit"] is None else row["asgi_limit"]
            results.append(("asgi", limit, row["asgi_is_reached"]))
        targets = [(name, limit, reached) for name, limit, reached in results if limit is not None]
        target = ", ".join(f"{name} {limit:g}{_unit(row)}" for name, limit, _ in targets)
        missed = [name for name, _, reached in targets if reached is False]
        verdict = f"missed: {', '.join(missed)}" if missed else "reached" if targets else ""
        lines.append(f"| {row['measure']} [{row['unit']}] | {' | '.join(cells)} | {target} | {verdict} |\n")
    return "".join(lines)


def _unit(row: Mapping[str, Any]) -> str:
    return " x bare" if row["against_bare"] else " x flyte" if row["against_peer"] else ""


def _value(row: Mapping[str, Any], name: str) -> str:
    samples, bare = row["samples"].get(name), row["samples"].get("bare")
    if not samples:
        return "-"
    text = f"{median(samples):.3g}" if median(samples) < 1000 else f"{median(samples):.0f}"
    if name != "bare" and bare and all(bare):
        ratio = median(one / of for one, of in zip(samples, bare, strict=False))
        text += f" ({ratio:.2f} x)"
    return text


def _bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """CPU time per call, a group of bars for each kind of call."""
    highest = max(median(each) for row in rows for each in row["samples"].values() if each)
    group = (WIDTH - LEFT) / len(rows)
    bar = group / (len(NAMES) + 1)
    shapes = [_legend(NAMES)]
    for place, row in enumerate(rows):
        left = LEFT + place * group
        for at, name in enumerate(NAMES):
            samples = row["samples"].get(name)
            if samples:
                value = median(samples)
                height = (HEIGHT - TOP - BOTTOM) * value / highest
                x, y = left + at * bar, HEIGHT - BOTTOM - height
                shapes.append(
                    f'<rect x="{x:.0f}" y="{y:.0f}" width="{bar * 0.9:.0f}" height="{height:.0f}"'
                    f' fill="{COLOURS[name]}"/>' + _text(x + bar * 0.45, y - 4, f"{value:.0f}")
                )
        shapes.append(_text(left + 2 * bar, HEIGHT - BOTTOM + 18, row["measure"]))
    return _picture("CPU time of the service per call, in µs", shapes)


def _lines(kind: str, curves: Mapping[str, Mapping[str, float]]) -> str:
    """CPU time per call by what grows, on a logarithmic axis."""
    values = [float(value) for curve in curves.values() for value in curve]
    low, high = math.log(min(values)), math.log(max(values))
    highest = max(cost for curve in curves.values() for cost in curve.values())

    def x(value: float) -> float:
        return LEFT + 20 + (WIDTH - LEFT - 60) * (math.log(value) - low) / ((high - low) or 1)

    def y(cost: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * cost / highest

    shapes = [_legend(curves)]
    shapes += [_text(x(value), HEIGHT - BOTTOM + 18, f"{value:g}") for value in sorted({*values})]
    for name, curve in curves.items():
        points = [(x(float(value)), y(cost), cost) for value, cost in curve.items()]
        path = " ".join(f"{across:.0f},{down:.0f}" for across, down, _ in points)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        shapes += [_text(across, down - 6, f"{cost:.0f}") for across, down, cost in points]
    return _picture(f"{kind}: CPU time per call, in µs", shapes)


def _legend(names: Iterable[str]) -> str:
    found = []
    for place, name in enumerate(names):
        x = LEFT + place * 150
        found.append(
            f'<rect x="{x}" y="{HEIGHT - 18}" width="10" height="10" fill="{COLOURS[name]}"/>'
            f'<text x="{x + 15}" y="{HEIGHT - 9}">{NAMES[name]}</text>'
        )
    return "".join(found)


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{text}</text>'


def _picture(title: str, shapes: Iterable[str]) -> str:
    lines = "\n".join(shapes)
    base = HEIGHT - BOTTOM
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"
     font-family="sans-serif" font-size="11" fill="#333" aria-label="{title}">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="18" font-size="13">{title}</text>
<line x1="{LEFT - 10}" y1="{base}" x2="{WIDTH - 10}" y2="{base}" stroke="#999"/>
{lines}
</svg>
"""


if __name__ == "__main__":
    main()
