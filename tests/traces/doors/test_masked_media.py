"""Masks reach uploaded texts, in whatever they are written, and leave everything else as it was brought."""

import base64
import hashlib
from pathlib import Path

import httpx
import pytest

from switchgear.app.database import ControlDatabase
from switchgear.guardrails.finders import finder
from switchgear.guardrails.masking import Mask
from switchgear.traces.masked import SpanMasks
from tests.traces.doors.stand import OTHER_KEY, Stand

ADDRESS = "joe@example.com"
MAIL = Mask(name="mail", finder=finder("email"), replacement="[mail]")


@pytest.fixture
def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path, mask=SpanMasks(lambda project: (MAIL,) if project == "blue" else ()).text)


def announced(content_type: str, content: bytes) -> dict[str, object]:
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"contentType": content_type, "contentLength": len(content), "sha256Hash": digest, "field": "input"}


async def brought(client: httpx.AsyncClient, content_type: str, content: bytes) -> bytes:
    """What is kept of a file."""
    said = announced(content_type, content)
    made = (await client.post("/api/public/media", json=said)).json()
    for _ in range(2):
        assert (await client.put(made["uploadUrl"], content=content)).status_code == 200, "a repetition is no fault"
    assert (await client.post("/api/public/media", json=said)).json()["uploadUrl"] is None
    found = (await client.get(f"/api/public/media/{made['mediaId']}")).json()
    shown = (await client.get(found["url"])).content
    assert found["contentLength"] == len(shown)
    return shown


@pytest.mark.parametrize(
    ("content_type", "content", "kept"),
    [
        ("text/plain", f"Ask {ADDRESS} öfter".encode(), "Ask [mail] öfter".encode()),
        ("text/csv", f"Ask {ADDRESS} öfter".encode("latin-1"), "Ask [mail] öfter".encode("latin-1")),
        ("text/html", f"<p>{ADDRESS}".encode("utf-16"), "<p>[mail]".encode("utf-16")),
        ("application/json", b'{"to": ["joe\\u0040example.com"]}', b'{"to":["[mail]"]}'),
        ("image/svg+xml", f"<text>{ADDRESS}</text>".encode(), b"<text>[mail]</text>"),
        ("text/plain", b"nothing to find\xff", b"nothing to find\xff"),
        ("application/octet-stream", ADDRESS.encode(), ADDRESS.encode()),
    ],
)
async def test_a_text_is_kept_without_what_masks_find(
    stand: Stand, tmp_path: Path, content_type: str, content: bytes, kept: bytes
) -> None:
    async with stand.client() as client:
        assert await brought(client, content_type, content) == kept
    assert [file.read_bytes() for file in (tmp_path / "media").rglob("*") if file.is_file()] == [kept]


async def test_each_project_has_its_own_of_two_equal_texts(stand: Stand) -> None:
    content = f"Ask {ADDRESS}".encode()
    async with stand.client() as client, stand.client({"authorization": f"Bearer {OTHER_KEY}"}) as stranger:
        assert await brought(client, "text/plain", content) == b"Ask [mail]"
        assert await brought(stranger, "text/plain", content) == content
