"""Statuses and error types: one table, both ways."""

import pytest

from claude_proxy.errors import (
    STATUS,
    ClaudeProxyError,
    ProtocolError,
    RequestError,
    UnsupportedContentError,
    UpstreamError,
    error_type,
    forget_frames,
)


@pytest.mark.parametrize(
    ("status", "type"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "invalid_request_error"),
        (413, "request_too_large"),
        (415, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
        (599, "api_error"),
    ],
)
def test_each_status_has_its_type(status, type):
    assert error_type(status) == type


def test_each_type_has_a_status_of_its_own_class():
    for type, status in STATUS.items():
        assert error_type(status) == type


def test_an_error_carries_what_the_envelope_needs():
    error = ClaudeProxyError("no", status=429, details={"a": 1}, headers={"retry-after": "1"})
    assert (error.type, error.status, str(error)) == ("rate_limit_error", 429, "no")
    assert error.details == {"a": 1} and error.headers == {"retry-after": "1"}


def test_a_type_may_differ_from_the_status():
    assert ClaudeProxyError("no", status=503, type="api_error").type == "api_error"


def test_the_kinds_have_their_usual_statuses():
    assert RequestError("x").status == 400
    assert UpstreamError("x").status == ProtocolError("x").status == 502
    assert ClaudeProxyError("x").status == 500


def test_unsupported_content_names_its_place():
    error = UnsupportedContentError("messages.2.content.0", "audio cannot be sent")
    assert error.message == "messages.2.content.0: audio cannot be sent"
    assert error.path == "messages.2.content.0" and isinstance(error, RequestError)


def test_frames_are_forgotten_along_the_chain_even_in_a_circle() -> None:
    first = ValueError("first")
    try:
        try:
            raise first
        except ValueError:
            raise UpstreamError("second") from first
    except UpstreamError as error:
        first.__context__ = error
        forget_frames(error)
        assert (error.__traceback__, first.__traceback__) == (None, None)
    forget_frames(None)
