"""Tables written in the many ways in which programs write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _number_of(unit):
    def shown(moment, zone):
        us = (moment - EPOCH) // timedelta(microseconds=1)
        whole, rest = divmod(us * 1000, unit)
        digits = len(str(unit)) - 1
        fraction = f".{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else ""
        return f"{whole}{fraction}"

    return shown


def _template(template):
    def shown(moment, zone):
        text = moment.astimezone(zone).strftime(template)
        return text[:-4] + text[-4:] if "%z" not in template else text[:-2] + ":" + text[-2:]

    return shown


#: Forms of times by name; whether they are those of a local clock.
TIMES = {
    "s": (_number_of(10**9), False),
    "ms": (_number_of(10**6), False),
    "us": (_number_of(10**3), False),
    "ns": (_number_of(1), False),
    "iso": (lambda moment, zone: moment.astimezone(zone).isoformat(), False),
    "utc": (_template("%Y-%m-%dT%H:%M:%S.%fZ"), False),
    "local": (_template("%Y-%m-%d %H:%M:%S.%f"), True),
    "slashes": (_template("%Y/%m/%d %H:%M:%S"), True),
    "german": (_template("%d.%m.%Y %H:%M:%S"), True),
    "american": (_template("%m/%d/%Y %I:%M:%S %p"), True),
    "british": (_template("%d/%m/%Y %H:%M:%S"), True),
    "word": (_template("%d-%b-%Y %H:%M:%S"), True),
}
#: Forms without parts of a second.
COARSE = {"slashes", "german", "american", "british", "word"}


@dataclass
class Dialect:
    """One way of writing a table."""

    delimiter: str = ","
    decimal: str = "."
    thousands: str = ""
    encoding: str = "utf-8"
    end: str = "\n"
    time: str = "us"
    zone: object = UTC
    missing: str = ""
    time_at: int = 0
    header: str = "names"
    units: list = field(default_factory=list)
    titles: list = field(default_factory=list)
    quote: bool = False

    def render(self, names, rows):
        """Return the file: `rows` have a moment and the values, `None` for a missing one."""
        lines = list(self.titles)
        if self.header != "none":
            mark = "#" if self.header == "hash" else ""
            lines.append(mark + self._line(["time", *names]))
        if self.units:
            lines.append(self._line(["", *self.units]))
        show, _ = TIMES[self.time]
        for moment, *values in rows:
            cells = [self._cell(value) for value in values]
            lines.append(self._line([show(moment, self.zone), *cells]))
        return (self.end.join(lines) + self.end).encode(self.encoding)

    def _line(self, cells):
        cells = [*cells[1 : self.time_at + 1], cells[0], *cells[self.time_at + 1 :]]
        if self.quote:
            cells = [f'"{cell}"' for cell in cells]
        return (self.delimiter or " ").join(cells)

    def _cell(self, value):
        if value is None:
            return self.missing
        text = repr(value)
        if self.thousands and "e" not in text:
            whole, mark, rest = text.partition(".")
            text = f"{int(whole):,}".replace(",", "\0") + mark + rest
            if whole == "-0":
                text = "-" + text
        return text.replace(".", self.decimal).replace("\0", self.thousands)
