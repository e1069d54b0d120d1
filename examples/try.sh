#!/bin/sh
# Stores the recording beside this script in your node, and shows it as a table, a plot and a
# decimated read. `joule` must be on the PATH.
set -eu
recording=$(dirname "$0")/machine.csv.gz

show() {
    printf '\n$ joule %s\n' "$*"
    joule "$@"
}

show data ingest "$recording" --stream /examples/machine --on-conflict replace
show stream info /examples/machine --elements
show data plot /examples/machine --elements memory
show data read /examples/machine --max-rows 20 --time iso --precision 1 --csv
