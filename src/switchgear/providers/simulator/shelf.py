"""What the simulator keeps for its clients, in memory: files and batches, the latest ones."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import json

from switchgear.kernel.clock import Clock
from switchgear.providers.simulator.forms import Form, Upload

_MOST_KEPT: Final = 256
_MOST_BYTES: Final = 64 * 1024 * 1024
_PLACE: Final = re.compile(r"/(files|batches)(?:/([^/]+)(?:/([a-z]+))?)?")
_JSON: Final = b"application/json"

Kept = dict[str, object]
Body = tuple[int, bytes, Iterable[bytes]]
Asked = tuple[str, str, str, str]
"""Method, collection, id, what is asked of it."""


class Shelf:
    """Files and batches by their ids, the oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._number = 0
        self._collections: Mapping[str, dict[str, Kept]] = {"files": {}, "batches": {}}
        self._contents: dict[str, bytes] = {}

    def answer(self, method: str, path: str, form: Form) -> Body | None:
        """None for what is neither a file nor a batch, or not there."""
        place = _PLACE.fullmatch(path)
        if place is None:
            return None
        collection, name, below = place[1], place[2] or "", place[3] or ""
        if not name:
            return self._whole_collection(method, collection, form)
        kept = self._collections[collection].get(name)
        return None if kept is None else self._one((method, collection, name, below), kept)

    def _whole_collection(self, method: str, collection: str, form: Form) -> Body | None:
        if method == "GET":
            data = list(reversed(self._collections[collection].values()))
            ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
            return _json({"object": "list", "data": data, "has_more": False, **ends})
        if method != "POST":
            return None
        return self._new_file(form) if collection == "files" else self._new_batch(form)

    def _one(self, asked: Asked, kept: Kept) -> Body | None:
        match asked:
            case ("GET", "batches", _, ""):
                if kept["status"] == "validating":
                    kept["status"] = "completed"
                return _json(kept)
            case ("POST", "batches", _, "cancel"):
                kept["status"] = "cancelled"
                return _json(kept)
            case ("GET", "files", _, ""):
                return _json(kept)
            case ("GET", "files", name, "content"):
                return 200, b"application/octet-stream", [self._contents[name]]
            case ("DELETE", "files", name, ""):
                self._forget_file(name)
                return _json({"id": name, "object": "file", "deleted": True})
            case _:
                return None

    def _new_file(self, form: Form) -> Body:
        upload = form.fields.get("file")
        if not isinstance(upload, Upload):
            error = {"message": "'file' is missing", "type": "invalid_request_error", "param": "file", "code": None}
            return _json({"error": error}, 400)
        name = self._next_id("file")
        files = self._collections["files"]
        files[name] = {
            "id": name,
            "object": "file",
            "bytes": len(upload.content),
            "created_at": self._now(),
            "filename": upload.name,
            "purpose": form.text("purpose", "user_data"),
            "status": "processed",
        }
        self._contents[name] = upload.content
        while len(files) > 1 and (len(files) > _MOST_KEPT or sum(map(len, self._contents.values())) > _MOST_BYTES):
            self._forget_file(next(iter(files)))
        return _json(files[name])

    def _new_batch(self, form: Form) -> Body:
        name = self._next_id("batch")
        batches = self._collections["batches"]
        batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": form.text("endpoint"),
            "input_file_id": form.text("input_file_id"),
            "completion_window": form.text("completion_window", "24h"),
            "status": "validating",
            "created_at": self._now(),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        if len(batches) > _MOST_KEPT:
            del batches[next(iter(batches))]
        return _json(batches[name])

    def _forget_file(self, name: str) -> None:
        del self._collections["files"][name]
        del self._contents[name]

    def _next_id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-sim{self._number}"

    def _now(self) -> int:
        return self._clock.wall_ns() // 1_000_000_000


def _json(content: object, status: int = 200) -> Body:
    return status, _JSON, [json.encode(content)]
