#!/usr/bin/env python3
"""Record how busy a Linux machine is, ten times a second, as CSV rows.

Nothing but Python is needed. A second run on the same file continues it, and marks the time
between the two runs as an interval break:

    python3 examples/record_machine.py machine.csv --seconds 180
    sleep 30
    python3 examples/record_machine.py machine.csv --seconds 180
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple, TextIO

RATE_HZ = 10
SECTOR_BYTES = 512  # the kernel counts disk traffic in these, whatever the disk's own sectors are
KIB = 1024
HEADER = (
    "timestamp,cpu_user [%],cpu_system [%],cpu_wait [%],memory [MiB],"
    "disk_read [KiB/s],disk_write [KiB/s],net_receive [KiB/s],net_send [KiB/s]"
)
NOT_DISKS = ("loop", "ram", "zram", "sr", "fd", "dm-", "md")


class Counters(NamedTuple):
    """What the kernel has counted since the machine started."""

    at_us: int
    user: int
    system: int
    iowait: int
    cpu_total: int
    memory_used_kib: int
    read_bytes: int
    written_bytes: int
    received_bytes: int
    sent_bytes: int


def read_cpu() -> tuple[int, int, int, int]:
    """Return the ticks spent in programs, in the kernel, waiting for disks, and altogether."""
    with Path("/proc/stat").open() as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    user, nice, system, _idle, iowait, irq, softirq, _steal = ticks
    return user + nice, system + irq + softirq, iowait, sum(ticks)


def read_memory() -> int:
    """Return the KiB of memory that programs use."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, available = (int(fields[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    return total - available


def read_disks() -> tuple[int, int]:
    """Return the bytes read from and written to all disks; partitions are part of their disk."""
    read = written = 0
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        name = fields[2]
        if not name.startswith(NOT_DISKS) and Path("/sys/block", name).exists():
            read += int(fields[5])
            written += int(fields[9])
    return read * SECTOR_BYTES, written * SECTOR_BYTES


def read_network() -> tuple[int, int]:
    """Return the bytes received and sent by all interfaces but the loopback."""
    received = sent = 0
    for line in Path("/proc/net/dev").read_text().splitlines()[2:]:
        name, _, counts = line.partition(":")
        fields = counts.split()
        if name.strip() != "lo":
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


def read_counters() -> Counters:
    """Read everything once."""
    at_us = time.time_ns() // 1000
    return Counters(at_us, *read_cpu(), read_memory(), *read_disks(), *read_network())


def format_row(old: Counters, new: Counters) -> str:
    """Return the row for the time between two readings."""
    ticks = max(new.cpu_total - old.cpu_total, 1)
    kib_s = 1e6 / KIB / (new.at_us - old.at_us)
    values = [
        100 * (new.user - old.user) / ticks,
        100 * (new.system - old.system) / ticks,
        100 * (new.iowait - old.iowait) / ticks,
        new.memory_used_kib / KIB,
        (new.read_bytes - old.read_bytes) * kib_s,
        (new.written_bytes - old.written_bytes) * kib_s,
        (new.received_bytes - old.received_bytes) * kib_s,
        (new.sent_bytes - old.sent_bytes) * kib_s,
    ]
    return ",".join([str(new.at_us), *(f"{max(value, 0):.6g}" for value in values)])


def record(file: TextIO, seconds: float) -> int:
    """Append rows for so many seconds and return how many there are."""
    n_rows = round(seconds * RATE_HZ)
    began = time.monotonic()
    old = read_counters()
    for number in range(1, n_rows + 1):
        time.sleep(max(began + number / RATE_HZ - time.monotonic(), 0.001))
        new = read_counters()
        file.write(format_row(old, new) + "\n")
        file.flush()
        old = new
    return n_rows


def main() -> None:
    """Record from the command line."""
    parser = argparse.ArgumentParser(description="Record CPU, memory, disk and network as CSV.")
    parser.add_argument("file", type=Path, help="CSV file to write or to continue")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    options = parser.parse_args()
    with options.file.open("a") as file:
        file.write("# interval break\n" if file.tell() else HEADER + "\n")
        n_rows = record(file, options.seconds)
    print(f"{n_rows} rows in {options.file}")


if __name__ == "__main__":
    main()
