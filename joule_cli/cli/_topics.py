"""Texts of ``joule help TOPIC``."""

from __future__ import annotations

_TIMES = """\
Times (--start, --end)

  1700000000000000        microseconds since 1970 UTC
  @1700000000.5           seconds since 1970 UTC
  2024-05-01              local midnight of that day
  2024-05-01T12:30:00Z    ISO 8601; without a zone the time is local
  now-1h30m, -90m, 2h     before now; a bare duration means the past
  2 days ago, in 5m       the same in words
  yesterday 14:00, noon, midnight, monday
                          local; 'today' alone is now, 'yesterday' 24 hours before
  min, max                no bound
  start+1h, end-1h        from the first or the last row of the stream
  14 Nov 2023 10:00 EST   written dates, if they can be read in one way only

Ranges include their start and exclude their end. --last 1h is --start now-1h.

Local times are those of --tz ZONE (Europe/Berlin, UTC, local, +01:00), else of
JOULE_TZ, else of the system. The zone rules what is read and what is printed.

Durations (--last, --keep, --max-age, ...)

  250us 20ms 1.5s 90s 5m 1h30m 2d 1w 1mo 1y, or PT1H
  m is minutes; mo is 30 days and y is 365 days. --keep also takes all and none.

Printed times

  People see 2023-11-14 22:13:20.123456+00:00, files and JSON integer microseconds.
  --time us|ns|ms|s|iso, or a template such as --time %H:%M:%S, chooses the form.
"""

_FORMATS = """\
Output formats

  --format table   a table fitted to the terminal; the default there
  --format plain   the same columns without lines and without cutting; the default
                   in pipes and files
  --csv, --tsv     one header line, cells quoted as RFC 4180 says, empty if missing
  --json           one document; lists are arrays; times are integer microseconds
  --jsonl          one JSON object per line, written as they come

The options work in any position. --columns a,b selects and orders columns,
--no-header leaves out their names, --limit N stops early.

Rows (joule data read) are lines of integer microseconds and values unless another
format is chosen; --format hdf5 and --file write HDF5. The suffix of FILE chooses the
format: .h5 .hdf5 .hdf, .csv, .tsv, .jsonl .ndjson, .json, .txt, and .gz or .zst
behind text.

Values of float streams may be infinite: inf and -inf, in JSON the strings "inf" and
"-inf", for which it has no numbers. They are read in any case, as Infinity too, and
come back as what they were. NaN is never stored; nan ("nan" in JSON) is only printed,
for the mean of infinities of both signs and in the answers to queries.

Events (joule event read, write) are JSON as the API has them: id, event_stream_id,
start_time, end_time (null while still going on), content, node_uuid. When they are
written, an id counts unless event_stream_id or node_uuid name another stream: then,
and without an id, the event is new.

CSV of events has the columns start_time, end_time (empty while still going on), the
declared fields, other fields, and content; with --ids also id. A cell holds

  of a string or category field   the text as it is
  of a numeric field              a number
  of any other field              JSON, else text; a text that could be read as JSON is
                                  written as JSON: "12" is a text, 12 a number
  in the column content           JSON of all that has no place in the other columns
  nothing                         the event does not have the field

Read with the same declared fields, every value comes back as what it was.

With --json, --jsonl, --csv and --tsv nothing else is printed on standard output;
notes, questions and errors go to standard error.
"""

_EXIT_STATUS = """\
Exit status

  0    done; also an empty result, and a question answered with no
  1    failed; nothing was changed
  2    wrong usage: unknown option, missing argument, wrong type
  3    partly done: some of several things failed, or work was cut off
  130  interrupted with Ctrl-C (SIGINT); 143 with SIGTERM
  141  the reader of standard output went away

Errors are one line on standard error. With --json it is an object

  {"error": {"code": ..., "message": ..., "status": ..., "object": ...}}

with "line" and "column" of bad input, and a "hint", where they are known.

whose code is one of

"""

_ENVIRONMENT = """\
Environment

  JOULE_DATA_DIR     folder of the node's own file, joule.db
  JOULE_NODE         name of the node, as --node
  JOULE_URL          address of the node, as --url; --node beats it
  JOULE_API_KEY      key of the node at JOULE_URL or --url; joule node add stores it
  JOULE_CA_FILE      certificate authority to trust besides the system's
  JOULE_USER_CONFIG_DIR
                     folder of nodes.json, instead of ~/.joule
  JOULE_TZ           time zone, as --tz
  JOULE_NO_INPUT     never ask, as --no-input
  JOULE_DEBUG        print tracebacks, as -vv
  NO_COLOR           print no colours; FORCE_COLOR prints them everywhere
  COLUMNS            width of tables and help
  TZ, TERM, XDG_DATA_HOME, XDG_CONFIG_HOME
                     as usual
"""


def _exit_status() -> str:
    return _EXIT_STATUS + "".join(f"  {code}\n" for code in _codes())


def _codes() -> list[str]:
    # its module adds a class of its own
    import joule_cli.cli._prompt  # noqa: F401
    from joule_cli.errors import JouleError

    codes = {"internal_error", "interrupted", "os_error", "usage_error"}
    left = [JouleError]
    while left:
        found = left.pop()
        codes.add(found.code)
        left.extend(found.__subclasses__())
    return sorted(codes)


#: ``{name: (title, text)}``
TOPICS = {
    "times": ("how times and durations are written", _TIMES),
    "formats": ("tables, CSV and JSON", _FORMATS),
    "exit-status": ("exit statuses and error codes", _exit_status()),
    "environment": ("variables that the program reads", _ENVIRONMENT),
}
