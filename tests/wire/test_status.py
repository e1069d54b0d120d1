import pytest

from joule_cli import errors
from joule_cli.wire import endpoints
from joule_cli.wire.status import CODE_HEADER, rebuild, wire_status, wire_text

ALL = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.ApiError)
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_class_survives_the_wire(kind):
    sent = kind("some reason")
    received = rebuild(wire_status(sent), wire_text(sent), kind.code, "/data")
    assert type(received) is kind
    assert received.message == "some reason"


def test_no_status_makes_the_original_client_repeat():
    others = [kind for kind in ALL if kind is not errors.FileMovedError]
    assert all(200 < wire_status(kind("x")) <= 500 for kind in others)
    assert wire_status(errors.FileMovedError("x")) == 503


@pytest.mark.parametrize(
    ("status", "endpoint", "kind"),
    [
        (404, endpoints.FOLDER, errors.FolderNotFound),
        (404, endpoints.FOLDER_MOVE, errors.FolderNotFound),
        (404, endpoints.STREAM, errors.StreamNotFound),
        (404, endpoints.EVENT_DATA, errors.StreamNotFound),
        (404, endpoints.ANNOTATION, errors.AnnotationNotFound),
        (404, endpoints.ANNOTATIONS, errors.StreamNotFound),
        (404, endpoints.MODULE, errors.NotFoundError),
        (403, endpoints.DATA, errors.AuthorizationError),
        (400, endpoints.DATA, errors.ApiError),
        (500, endpoints.DATA, errors.ApiError),
    ],
)
def test_classes_of_a_node_that_sends_no_code(status, endpoint, kind):
    error = rebuild(status, f"{status}: why", None, endpoint)
    assert type(error) is kind
    assert str(error) == f"why [{status}]"


def test_the_header_is_a_plain_token():
    assert CODE_HEADER.replace("-", "").isalpha()
