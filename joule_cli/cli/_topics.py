"""Texts of ``joule help TOPIC``, which are manual pages, too.

The pages are made from how the lines are laid out: a line that stands alone and ends without a
point is a heading, indented lines in two columns explain terms, and other indented lines are shown
as they are.
"""

from __future__ import annotations

_TIMES = """\
Times (--start, --end)

  1700000000000000        microseconds since 1970 UTC
  @1700000000.5           seconds since 1970 UTC
  2024-05-01              local midnight of that day
  2024-05-01T12:30:00Z    ISO 8601; without a zone the time is local
  now-1h30m, -90m, 2h     before now; a bare duration means the past
  2 days ago, in 5m       the same in words
  yesterday 14:00, 5 pm, noon, midnight, last monday
                          local; 'today' alone is now, 'yesterday' 24 hours before
  min, max                no bound
  start+1h, end-1h        from the first or the last row of the stream
  14 Nov 2023 10:00 EST   written dates, if they can be read in one way only

Ranges include their start and exclude their end. --last 1h is --start now-1h.

Local times are those of --tz ZONE (Europe/Berlin, UTC, local, +01:00), else of
JOULE_TZ, else of the system. The zone rules what is read and what is printed.

Durations (--last, --keep, --max-age, ...)

  250us 20ms 1.5s 90s 5m 1h30m 2d 1w 1mo 1y, 2 hours 5 minutes, or PT1H

m is minutes; mo is 30 days and y is 365 days. --keep also takes all and none.

Printed times (--time)

  us, ns, ms, s    exact numbers since 1970 UTC
  iso              2023-11-14T22:13:20.123456+00:00
  human            the same with a blank in place of the T
  %H:%M:%S         any other template for strftime

People see human times, files and JSON have integer microseconds, unless --time
chooses the form.
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

With --json, --jsonl, --csv and --tsv nothing else is printed on standard output;
notes, questions and errors go to standard error.

Formats of rows

Rows (joule data read, export, ingest, write) are lines of integer microseconds and
values unless another format is chosen, by --format or by the suffix of FILE:

  .txt, .dat         text: the time and the values, with blanks between them
  .csv, .tsv, .tab   columns with their names in the first line
  .jsonl, .ndjson    one JSON object per row
  .json              one JSON document
  .h5, .hdf5, .hdf   HDF5; what data read --file writes by default. That of pandas is
                     read, too.
  .parquet, .pq      Parquet
  .arrow, .feather   Arrow IPC, the form with an index
  .arrows            Arrow IPC, the form for pipes; what --format arrow writes there

These are only read:

  .mat               Matlab 7.3
  .xlsx, .xlsm       Excel
  .tdms, .lvm        LabVIEW
  .lp, .line         InfluxDB line protocol; its annotated CSV is --format influx-csv
  .zip               with one of the others in it

Behind the suffix of a text, .gz and .zst compress it. Some formats need an extra:
pip install 'joule-cli[parquet]' for Parquet and Arrow, excel for Excel, tdms for TDMS.

joule data inspect FILE shows what a file holds and how it is understood: where the table
begins, what its columns are, the form, unit and zone of its times, missing values and
rows that cannot be read. Its last line is the command that imports the file so. Columns
go to the elements of their names. Times are found out; those in the first day of 1970
or in the future are refused unless --accept-times is given. Rows that are the same as
the one above are dropped and counted.

Values of float streams may be infinite: inf and -inf, in JSON the strings "inf" and
"-inf", for which it has no numbers. They are read in any case, as Infinity too, and
come back as what they were.

Values of float streams may be missing: nothing between the delimiters of CSV and TSV,
nan in text, null in JSON, Parquet and Arrow, NaN in HDF5 and NULL in SQL. Means,
minima and maxima are those of the other values. A mean of infinities of both signs is
shown as missing, too. A node of Joule 1.0.1 and streams of integers hold no missing
values. On input an empty cell, nan, NA, N/A, #N/A, null, None and - are missing, and
what --missing-values names.

Formats of events

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

Events are read from files of every format of rows, with the same options: times,
decimal marks, missing values of numeric fields and lines before the header are found
out. Start and Begin, End, Stop and the like are names of times, too, else one column
of times has the starts; --map NAME=start_time names another, and --map Day,On=start_time
puts two together. Every other column, or key of a JSON object, is a field. Where the
clocks were put back, the order of the starts tells which hour is meant as long as they
rise, and an end comes after its start.
"""

_EXIT_STATUS = """\
Exit status

  0    done; also an empty result, and a question answered with no
  1    failed; nothing was changed
  2    wrong usage: unknown option, missing argument, wrong type
  3    partly done: some of several things failed, or work was cut off
  4    the file of the node was renamed, replaced, removed or linked while it was open
  130  interrupted with Ctrl-C (SIGINT); 143 with SIGTERM, 129 with SIGHUP
  141  the reader of standard output went away

Following rows or events (--live, --follow) ends with 0 when it is stopped by Ctrl-C,
SIGTERM or --duration.

Errors

Errors are one line on standard error. With --json it is an object:

  {"error": {"code": ..., "message": ..., "status": ..., "object": ...}}

with "line" and "column" of bad input, and a "hint", where they are known. Messages
may be worded anew, codes stay:

  annotation_not_found            there is no such annotation
  api_error                       the node refused, for a reason without a code
  authorization_error             the key is missing or wrong
  certificate_error               the certificate of the node is not trusted
  closed_pipe_error               rows were written after the end of their writer
  configuration_error             nodes.json or another file of settings cannot be used
  conflict_error                  the state of the node does not allow the change
  corrupt_chunk_error             stored rows fail their checksum
  data_error                      the node refuses the rows, or the request for rows
  decimation_error                decimated rows cannot be provided
  disk_full_error                 no space is left; nothing of the change was stored
  duplicate_timestamp_error       a row has the time of one that is stored
  element_names_error             columns or elements have other names than those they are for
  empty_picture_error             there is nothing to draw into the file of a picture
  empty_pipe_error                rows were asked for after the last one
  events_present_error            the destination of a copy has events in the range
  file_moved_error                the file of the node is no longer at its path, or has a link
  filter_error                    a filter of events cannot be read
  folder_not_found                there is no such folder
  follow_error                    this option of event read contradicts --follow
  follower_not_found              the node controls no such node
  format_error                    a file cannot be read or written in its format
  incompatible_file_error         the file is no node, or needs another version
  internal_error                  a mistake in this program; -vv shows where
  interrupted                     the work was interrupted; the message tells how far it was
  invalid_data_stream_parameter   this cannot name a data stream
  invalid_event_error             an event has times or content that cannot be stored
  invalid_event_stream_parameter  this cannot name an event stream
  invalid_reference               this cannot name a folder, stream or annotation
  invalid_values_error            values that cannot be stored, such as NaN
  join_error                      the other node could not be reached, or refused
  joule_error                     an error without a code of its own
  layout_mismatch_error           rows do not have the datatype or the width of the stream
  live_options_error              this option of data read contradicts --live
  locked_error                    the folder or the stream is in use or configured
  master_not_found                no such user or node controls the node
  missing_extra_error             an extra of this package is needed
  missing_values_error            the stream or the node cannot hold missing values
  module_not_found                there is no such module
  name_taken_error                the name is already used in the folder
  no_events_error                 there are no events, and --fail-empty was given
  no_rows_error                   there are no rows, and --fail-empty was given
  node_timeout_error              the node sends (next to) nothing for longer than --timeout
  node_unreachable_error          no connection to the node can be made
  non_monotonic_error             times do not increase
  not_found_error                 what was asked for does not exist
  operation_error                 the request contradicts itself or the streams
  os_error                        standard output cannot be written
  overlap_error                   the destination has rows in the range
  partial_error                   the work was cut off; repeating it continues there
  picture_error                   a picture cannot be drawn as it was asked for
  pipe_error                      the other end of a transfer of rows failed
  protocol_error                  the node gave an answer that cannot be read
  proxy_not_found                 there is no such proxy
  query_error                     SQL cannot be run; the hint shows the place in it
  selection_error                 an element is not in the stream, or named twice
  storage_error                   the file of the node cannot be read or written
  stream_in_use_error             another program is writing to the stream
  stream_not_found                there is no such data or event stream
  subscription_error              the stream is not being produced
  time_format_error               a time or duration cannot be read, or in two ways
  transfer_cut_error              the connection was lost before the answer was complete
  unanswered_error                a question needs an answer, and there is no terminal
  units_mismatch_error            the elements have other units in the destination
  unsupported_error               the node cannot do that, as one of Joule 1.0.1
  usage_error                     wrong usage; the status is 2
  verification_error              the rows of a copy are not those of the source
"""

_ENVIRONMENT = """\
Environment

  JOULE_DATA_DIR     folder of your own file, joule.db
  JOULE_NODE         name of the node, as --node
  JOULE_URL          address of the node, as --url; --node and JOULE_NODE beat it
  JOULE_API_KEY      key of the node at JOULE_URL or --url; joule node add stores it
  JOULE_CA_FILE      certificate authority to trust besides the system's
  JOULE_USER_CONFIG_DIR
                     folder of nodes.json, instead of ~/.joule
  JOULE_TZ           time zone, as --tz
  JOULE_COMPLETION_TTL
                     how long completion believes the names it knows, as in 5m;
                     without it a minute
  JOULE_NO_INPUT     never ask, as --no-input
  JOULE_DEBUG        print tracebacks, as -vv
  NO_COLOR           print no colours; FORCE_COLOR prints them everywhere
  COLUMNS, LINES     width of tables and help, height of plots
  TMPDIR             where joule db query puts what does not fit into memory
  LOGNAME, SUDO_USER
                     the user whom joule admin authorize gives a key
  SUDO_UID, SUDO_GID
                     the owner of ~/.joule, where root writes it for a user
  NOTIFY_SOCKET, JOURNAL_STREAM
                     set by systemd; joule node serve tells it that it is ready
  HOME, TZ, TERM, XDG_DATA_HOME, XDG_CONFIG_HOME, XDG_CACHE_HOME
                     as usual

An option beats the variable that stands for it. Without any of them the node is the
one that joule node default names, else the first that joule node add stored, else
local: the node in your own file.

Files

  ~/.local/share/joule/joule.db
                     your own file, the node local
  ~/.joule/nodes.json
                     names, addresses and keys of nodes, written by joule node add
  ~/.joule/default_node.txt
                     name of the default node
  ~/.joule/ca.crt    certificate authority to trust besides the system's
  ~/.cache/joule     names that completion knows
"""

#: ``{name: (title, text)}``
TOPICS = {
    "times": ("how times and durations are written", _TIMES),
    "formats": ("tables, CSV, JSON and files of rows", _FORMATS),
    "exit-status": ("exit statuses and error codes", _EXIT_STATUS),
    "environment": ("variables and files that the program uses", _ENVIRONMENT),
}
