"""Pure functions on times, intervals, row layouts and decimations: no I/O and no clock."""
