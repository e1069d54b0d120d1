"""The tables of a node file, and the steps from older files to this version."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from joule_cli.errors import IncompatibleFileError

if TYPE_CHECKING:
    import apsw

#: "JOUL": marks a SQLite file as a Joule node.
APPLICATION_ID = 0x4A4F554C

_METADATA = """
CREATE TABLE node (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE folder (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  parent_id INTEGER REFERENCES folder (id),
  name TEXT NOT NULL,
  description TEXT,
  updated_at INTEGER NOT NULL,
  UNIQUE (parent_id, name)
);

CREATE TABLE data_stream (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  folder_id INTEGER NOT NULL REFERENCES folder (id),
  name TEXT NOT NULL,
  description TEXT,
  datatype TEXT NOT NULL,
  keep_us INTEGER NOT NULL,
  decimate INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  revision INTEGER NOT NULL DEFAULT 0,
  UNIQUE (folder_id, name)
);

CREATE TABLE element (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stream_id INTEGER NOT NULL REFERENCES data_stream (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  units TEXT,
  plottable INTEGER,
  display_type TEXT NOT NULL,
  "offset" REAL NOT NULL,
  scale_factor REAL NOT NULL,
  default_max REAL,
  default_min REAL,
  UNIQUE (stream_id, position)
);

CREATE TABLE annotation (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stream_id INTEGER NOT NULL REFERENCES data_stream (id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  content TEXT,
  start INTEGER NOT NULL,
  "end" INTEGER
);
CREATE INDEX annotation_start ON annotation (stream_id, start);
"""

# `chunk` is the directory of a stream's rows: small, clustered by time, read without touching a
# row. `body` holds what is large. See stores/sqlite/chunks.py for the meaning of the columns.
_ROWS = """
CREATE TABLE chunk (
  stream_id INTEGER NOT NULL,
  start INTEGER NOT NULL,
  last INTEGER NOT NULL,
  n_rows INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  body_id INTEGER NOT NULL,
  summary BLOB,
  PRIMARY KEY (stream_id, start)
) WITHOUT ROWID;

CREATE TABLE body (
  id INTEGER PRIMARY KEY,
  coarse BLOB,
  fine BLOB,
  rows BLOB NOT NULL
);
"""

# `reach` is the smallest k for which the event is not longer than 16**k µs (16 without an end):
# an event that overlaps a time starts at most that long before it, so that each reach is one
# short range of `event_reach`. See stores/sqlite/events.py.
_EVENTS = """
CREATE TABLE event_stream (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  folder_id INTEGER NOT NULL REFERENCES folder (id),
  name TEXT NOT NULL,
  description TEXT,
  event_fields TEXT NOT NULL,
  chunk_duration_us INTEGER NOT NULL,
  keep_us INTEGER NOT NULL,
  last_event_id INTEGER NOT NULL DEFAULT 0,
  updated_at INTEGER NOT NULL,
  UNIQUE (folder_id, name)
);

CREATE TABLE event (
  key INTEGER PRIMARY KEY,
  stream_id INTEGER NOT NULL,
  reach INTEGER NOT NULL,
  start INTEGER NOT NULL,
  "end" INTEGER,
  content TEXT NOT NULL
);
CREATE INDEX event_start ON event (stream_id, start);
CREATE INDEX event_reach ON event (stream_id, reach, start, "end");

-- how many events start in each 2**32 µs (72 minutes), so that counting need not visit them all
CREATE TABLE event_tally (
  stream_id INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  n_events INTEGER NOT NULL,
  PRIMARY KEY (stream_id, bucket)
) WITHOUT ROWID;
"""

# Keys of masters only need to be recognised, so their SHA-256 is enough; see engine/master.py.
# The keys of followers are sent to them.
_PEERS = """
CREATE TABLE master (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL,
  name TEXT NOT NULL,
  key_hash BLOB NOT NULL UNIQUE,
  grantor_id INTEGER REFERENCES master (id) ON DELETE SET NULL,
  UNIQUE (type, name)
);

CREATE TABLE follower (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  key TEXT NOT NULL UNIQUE,
  location TEXT NOT NULL UNIQUE
);
"""

# Rows may have missing values, and their levels then counts (stores/sqlite/levels.py): programs
# that do not know of them would take them for damage, and join chunks wrong.
_MISSING_VALUES = ""

#: Entry i leads from version i to version i + 1 (``PRAGMA user_version``).
MIGRATIONS = (_METADATA + _ROWS, _EVENTS, _PEERS, _MISSING_VALUES)


def migrate(connection: apsw.Connection, path: str) -> None:
    """Bring an opened file to the present version, inside one transaction.

    Raises
    ------
    IncompatibleFileError
        The file is another application's, or was written by a later version.
    """
    version = file_version(connection, path)
    if version == len(MIGRATIONS):
        return
    if not any(MIGRATIONS[version:]) and connection.readonly("main"):
        # it cannot be changed, and need not be
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # another process may have done it while this one waited for the lock
        version = file_version(connection, path)
        for step in MIGRATIONS[version:]:
            connection.execute(step)
        if version == 0:
            connection.execute("INSERT INTO node VALUES ('uuid', ?)", (str(uuid.uuid4()),))
            connection.execute(
                "INSERT INTO folder (name, updated_at) VALUES ('root', unixepoch() * 1000000)"
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def make_tables(connection: apsw.Connection, version: int) -> None:
    """Make the empty tables of a format, without what every node has in them."""
    for step in MIGRATIONS[:version]:
        connection.execute(step)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")


def file_version(connection: apsw.Connection, path: str) -> int:
    """Return the format of a node file, 0 for an empty file; raise if it is something else."""
    # in one statement, hence of one state of the file
    version, application, tables = connection.execute(
        "SELECT (SELECT user_version FROM pragma_user_version), "
        "(SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)"
    ).get
    if (application, version) == (0, 0) and tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise IncompatibleFileError("the file is a SQLite database, but not a node", object=path)
    if version > len(MIGRATIONS):
        raise IncompatibleFileError(
            f"the file has format {version}, this program reads up to {len(MIGRATIONS)}",
            object=path,
            hint="update joule-cli",
        )
    return int(version)
