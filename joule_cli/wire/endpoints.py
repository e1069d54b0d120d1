"""Paths of a node's HTTP interface."""

from __future__ import annotations

from typing import Final

ROOT: Final = "/"
VERSION: Final = "/version"
VERSION_JSON: Final = "/version.json"
DB_INFO: Final = "/dbinfo"
DB_CONNECTION: Final = "/db/connection.json"

FOLDERS: Final = "/folders.json"
FOLDER: Final = "/folder.json"
FOLDER_MOVE: Final = "/folder/move.json"
FOLDER_MAP: Final = "/folder/map.json"

STREAM: Final = "/stream.json"
STREAM_MOVE: Final = "/stream/move.json"
STREAM_ANNOTATIONS: Final = "/stream/annotations.json"

DATA: Final = "/data"
DATA_JSON: Final = "/data.json"
DATA_INTERVALS: Final = "/data/intervals.json"
#: Exact number of rows in a range; a Joule 1.0.1 node has no such endpoint.
DATA_COUNT: Final = "/data/count.json"
DATA_CONSOLIDATE: Final = "/data/consolidate.json"
#: The inverse, which a Joule 1.0.1 node lacks.
DATA_SPLIT: Final = "/data/split.json"
DATA_DECIMATE: Final = "/data/decimate.json"

EVENT: Final = "/event.json"
EVENT_MOVE: Final = "/event/move.json"
EVENT_DATA: Final = "/event/data.json"
EVENT_COUNT: Final = "/event/data/count.json"

ANNOTATION: Final = "/annotation.json"
ANNOTATIONS: Final = "/annotations.json"
ANNOTATIONS_INFO: Final = "/annotations/info.json"

MODULES: Final = "/modules.json"
MODULE: Final = "/module.json"
MODULE_LOGS: Final = "/module/logs.json"

PROXIES: Final = "/proxies.json"
PROXY: Final = "/proxy.json"
APPS: Final = "/app.json"
APP_AUTH: Final = "/app/auth"
#: Prefix under which our own node serves what a proxy stands for, as in ``/interface/p0/``.
INTERFACE: Final = "/interface/"

MASTERS: Final = "/masters.json"
MASTER: Final = "/master.json"
FOLLOWERS: Final = "/followers.json"
FOLLOWER: Final = "/follower.json"
#: For how long nodes may join; a Joule 1.0.1 node takes them at any time.
FOLLOWER_ACCEPT: Final = "/follower/accept.json"

ARCHIVE: Final = "/archive.json"
