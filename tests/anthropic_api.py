"""The parts of Anthropic's API beside messages, as its official clients use them: models, files,
batches, and threads. It remembers what it is given, and is strict about what it is told."""

import json
import re
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from aiohttp import web

from tests.messages_upstream import message, refused
from tests.upstream import Received, Reply, Upstream, perform

Json = dict[str, Any]
MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
MADE = "2026-11-30T00:00:00Z"


def page(entries: list[Json]) -> Reply:
    return Reply({"data": entries, "has_more": False, "first_id": None, "last_id": None})


def model(id: str) -> Json:
    return {"type": "model", "id": id, "display_name": id, "created_at": MADE, "brand_new": 1}


class AnthropicApi(Upstream):
    """Serves `play`ed answers at /v1/messages, and of the rest what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, tuple[Json, bytes]] = {}
        self.batches: dict[str, list[Json]] = {}
        self._routes: list[tuple[str, str, Callable[..., Reply]]] = [
            ("GET", r"/v1/models", lambda got: page([model(id) for id in MODELS])),
            ("GET", r"/v1/models/([\w-]+)", lambda got, id: Reply(model(id))),
            ("POST", r"/v1/messages/count_tokens", lambda got: Reply({"input_tokens": 4711})),
            ("POST", r"/v1/messages", self._message),
            ("POST", r"/v1/files", self._upload),
            ("GET", r"/v1/files", lambda got: page([told for told, _ in self.files.values()])),
            ("GET", r"/v1/files/(\w+)", lambda got, id: Reply(self.files[id][0])),
            ("GET", r"/v1/files/(\w+)/content", self._content),
            ("DELETE", r"/v1/files/(\w+)", self._delete),
            ("POST", r"/v1/messages/batches", self._batch),
            ("GET", r"/v1/messages/batches", lambda got: page([*map(self._state, self.batches)])),
            ("GET", r"/v1/messages/batches/(\w+)", lambda got, id: Reply(self._state(id))),
            ("POST", r"/v1/messages/batches/(\w+)/cancel", lambda got, id: Reply(self._state(id))),
            ("GET", r"/v1/messages/batches/(\w+)/results", self._results),
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.path_qs, headers, await request.read())
        self.requests.append(received)
        return await perform(self._found(received), request)

    def _found(self, got: Received) -> Reply:
        path = got.path.partition("?")[0]
        for method, pattern, answer in self._routes:
            if got.method == method and (found := re.fullmatch(pattern, path)):
                return answer(got, *found.groups())
        return refused(404, "not_found_error", f"{got.method} {path}")

    def _message(self, got: Received) -> Reply:
        if "thread" in got.json:
            error = {
                "type": "invalid_request_error",
                "message": "threads are not supported",
                "details": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
            }
            return Reply({"type": "error", "error": error}, status=400)
        return self._answer(got)

    def _upload(self, got: Received) -> Reply:
        part = _part(got)
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        told = {
            "id": f"file_{len(self.files)}",
            "type": "file",
            "filename": part.get_filename(),
            "mime_type": part.get_content_type(),
            "size_bytes": len(data),
            "created_at": MADE,
            "downloadable": True,
        }
        self.files[told["id"]] = told, data
        return Reply(told)

    def _content(self, got: Received, id: str) -> Reply:
        told, data = self.files[id]
        return Reply(data, headers={"content-type": told["mime_type"]})

    def _delete(self, got: Received, id: str) -> Reply:
        del self.files[id]
        return Reply({"id": id, "type": "file_deleted"})

    def _batch(self, got: Received) -> Reply:
        id = f"msgbatch_{len(self.batches)}"
        self.batches[id] = got.json["requests"]
        return Reply(self._state(id))

    def _state(self, id: str) -> Json:
        counts = dict.fromkeys(("canceled", "errored", "expired", "processing"), 0)
        return {
            "id": id,
            "type": "message_batch",
            "processing_status": "ended",
            "request_counts": {**counts, "succeeded": len(self.batches[id])},
            "created_at": MADE,
            "expires_at": MADE,
            "results_url": f"{self.url}/v1/messages/batches/{id}/results",
        }

    def _results(self, got: Received, id: str) -> Reply:
        lines = [
            json.dumps({"custom_id": each["custom_id"], "result": _succeeded(each)})
            for each in self.batches[id]
        ]
        raw = "".join(f"{line}\n" for line in lines).encode()
        return Reply(raw, headers={"content-type": "application/x-jsonl"})


def _succeeded(entry: Mapping[str, Any]) -> Json:
    answer = json.loads(message(f"to {entry['custom_id']}"))
    return {"type": "succeeded", "message": answer}


def _part(got: Received) -> Any:
    """The first part of a form with files."""
    head = b"content-type: " + got.headers["content-type"].encode() + b"\r\n\r\n"
    return BytesParser(policy=HTTP).parsebytes(head + got.body).get_payload()[0]
