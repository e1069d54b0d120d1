"""The public surface, as lists: a change here is a change for those who import it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import joule_cli as joule

API = [
    "Annotation",
    "AnnotationInfo",
    "ArchiveLog",
    "ArchiveMessage",
    "BaseNode",
    "DataStream",
    "DataStreamInfo",
    "Element",
    "Event",
    "EventBucket",
    "EventStream",
    "EventStreamInfo",
    "Folder",
    "Follower",
    "Master",
    "Module",
    "ModuleStatistics",
    "Node",
    "NodeInfo",
    "Proxy",
    "create_tcp_node",
    "delete_node",
    "get_node",
    "get_nodes",
    "save_node",
    "set_default_node",
]
ERRORS = [
    "AnnotationNotFound",
    "ApiError",
    "AuthorizationError",
    "CertificateError",
    "ClosedPipeError",
    "ConfigurationError",
    "ConflictError",
    "CorruptChunkError",
    "DataError",
    "DecimationError",
    "DiskFullError",
    "DuplicateTimestampError",
    "ElementNamesError",
    "EmptyPipeError",
    "FileMovedError",
    "FilterError",
    "FolderNotFound",
    "FollowerNotFound",
    "FormatError",
    "IncompatibleFileError",
    "InvalidDataStreamParameter",
    "InvalidEventError",
    "InvalidEventStreamParameter",
    "InvalidReference",
    "InvalidValuesError",
    "JouleError",
    "LayoutMismatchError",
    "LockedError",
    "MasterNotFound",
    "MissingExtraError",
    "MissingValuesError",
    "ModuleNotFound",
    "NameTakenError",
    "NodeTimeoutError",
    "NodeUnreachableError",
    "NonMonotonicError",
    "NotFoundError",
    "PipeError",
    "ProtocolError",
    "ProxyNotFound",
    "QueryError",
    "StorageError",
    "StreamInUseError",
    "StreamNotFound",
    "SubscriptionError",
    "TimeFormatError",
    "TransferCutError",
    "UnsupportedError",
]
MODELS = [
    "Annotation",
    "AnnotationInfo",
    "ArchiveLog",
    "ArchiveMessage",
    "DataStream",
    "DataStreamInfo",
    "Element",
    "Event",
    "EventBucket",
    "EventStream",
    "EventStreamInfo",
    "Folder",
    "Follower",
    "InputPipe",
    "LocalPipe",
    "Master",
    "Module",
    "ModuleStatistics",
    "NodeInfo",
    "OutputPipe",
    "Pipe",
    "Proxy",
    "pipes",
]
UTILITIES = [
    "ConnectionInfo",
    "datetime_to_timestamp",
    "human_to_timestamp",
    "interval_difference",
    "interval_intersection",
    "seconds_to_timestamp",
    "time_now",
    "timestamp_to_datetime",
    "timestamp_to_human",
    "timestamp_to_seconds",
    "yesno",
]


@pytest.mark.parametrize(
    ("module", "names"), [("api", API), ("models", MODELS), ("utilities", UTILITIES)]
)
def test_exported_names(module, names):
    exported = getattr(joule, module)
    assert sorted(exported.__all__) == names
    assert [name for name in names if not hasattr(exported, name)] == []


def test_exported_errors():
    """Every public class of the module is an error of the tree."""
    found = {name: value for name, value in vars(joule.errors).items() if isinstance(value, type)}
    assert sorted(found) == ERRORS
    assert all(issubclass(value, joule.errors.JouleError) for value in found.values())


def test_error_codes_are_distinct():
    codes = [getattr(joule.errors, name).code for name in ERRORS]
    assert len(set(codes)) == len(codes)


def test_the_package_offers_its_modules_without_loading_them():
    probe = (
        "import sys, joule_cli as joule;"
        "loaded = [n for n in sys.modules if n.startswith('joule_cli.')];"
        "print(loaded, sorted(joule.__all__), joule.api.Node.__name__, joule.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    names = ["__version__", "api", "errors", "models", "utilities"]
    assert done.stdout.strip() == f"[] {names} Node {joule.__version__}"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = joule.nothing
