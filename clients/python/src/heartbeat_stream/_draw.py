"""Draws numbers in a terminal: a table, a sparkline, a chart. None stands for a missing value and stays empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

Values = Sequence[Optional[float]]

_BARS = "▁▂▃▄▅▆▇█"
_PLOT_ROWS = 8


def number(value: float | None) -> str:
    """Formats a number with at most six significant digits."""
    return "" if value is None else f"{value:,.6g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numeric: int) -> list[str]:
    """Formats a table, with its last `numeric` columns aligned to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if at >= len(head) - numeric else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def sparkline(values: Values) -> str:
    """Draws each value as one character, from the minimum to the maximum; equal values at half height."""
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    least, span = min(known), max(known) - min(known)
    return "".join(
        " " if value is None else _BARS[round((value - least) / span * 7) if span else 3] for value in values
    )


def plot(values: Values, begins: str, ends: str) -> list[str]:
    """Draws a chart of columns that stand on 0, or on the minimum if that is negative."""
    known = [value for value in values if value is not None]
    least = min([0.0, *known])
    span = max([0.0, *known]) - least or 1.0
    margin = max(len(number(least)), len(number(least + span)))
    lines = []
    for row in reversed(range(_PLOT_ROWS)):
        label = {_PLOT_ROWS - 1: number(least + span), 0: number(least)}.get(row, "")
        columns = (_column(value, least, span, row) for value in values)
        lines.append(f"{label:>{margin}} │{''.join(columns)}".rstrip())
    lines.append(f"{'':>{margin}} └{'─' * len(values)}")
    lines.append(f"{'':>{margin}}  {begins}{ends:>{max(len(values) - len(begins), len(ends) + 1)}}")
    return lines


def _column(value: float | None, least: float, span: float, row: int) -> str:
    """Draws the part of a value's column that is in a row, in eighths."""
    if value is None:
        return " "
    eighths = round((value - least) / span * _PLOT_ROWS * 8) - row * 8
    # A value is always visible, even if it is nearly 0.
    eighths = max(eighths, 1) if row == 0 else eighths
    return " " if eighths <= 0 else _BARS[min(eighths, 8) - 1]
