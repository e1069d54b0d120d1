"""`joule data`: the rows of data streams."""

from __future__ import annotations

from joule_cli.cli._lazy import group

_HERE = "joule_cli.cli.data"


@group(
    "data",
    lazy={
        "read": (f"{_HERE}.read:read", "Print the rows of a stream."),
        "write": (f"{_HERE}.write:write", "Write rows to a stream while they arrive."),
        "ingest": (f"{_HERE}.ingest:ingest", "Write files of rows to streams."),
        "inspect": (
            f"{_HERE}.inspect:inspect",
            "Show how a file of rows is understood, and store nothing.",
        ),
        "export": (f"{_HERE}.export:export", "Write streams to files."),
        "count": (f"{_HERE}.count:count", "Count the rows of streams."),
        "plot": (f"{_HERE}.plot:plot", "Draw the values of streams over time."),
        "intervals": (f"{_HERE}.intervals:intervals", "List the intervals of streams."),
        "copy": (
            f"{_HERE}.copy:copy",
            "Copy the rows that the destination lacks, with their annotations.",
        ),
        "delete": (f"{_HERE}.delete:delete", "Delete rows of streams; the streams stay."),
        "merge": (
            f"{_HERE}.merge:merge",
            "Put the values of other streams beside the rows of one.",
        ),
        "filter": (f"{_HERE}.filter:filter_", "Filter streams over a moving window."),
        "mean": (
            f"{_HERE}.filter:mean",
            "Write the moving average of a stream to another one.",
        ),
        "median": (
            f"{_HERE}.filter:median",
            "Write the running median of a stream to another one.",
        ),
        "consolidate": (
            f"{_HERE}.consolidate:consolidate",
            "Join intervals that are only a short gap apart.",
        ),
        "split": (f"{_HERE}.split:split", "Break intervals where rows are far apart."),
        "decimate": (
            f"{_HERE}.decimate:decimate",
            "Compute all decimated rows of streams anew.",
        ),
        "drop-decimations": (
            f"{_HERE}.decimate:drop_decimations",
            "Delete the decimated rows of streams.",
        ),
    },
    examples=[
        "joule data intervals /house/mains --last 1d",
        "joule data copy /house/mains /archive/mains",
    ],
)
def data() -> None:
    """Read, write, copy and compute the rows of data streams."""
