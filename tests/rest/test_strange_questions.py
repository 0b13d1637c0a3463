"""What nobody sane asks the management API: a text with a zero in it, a day of another century, a forged cursor."""

import base64
import hashlib
import json

import httpx
import pytest

ZERO = "a\0b"


def forged(of: str, after: str) -> str:
    """A cursor as the server would make it."""
    content = json.dumps([hashlib.sha256(of.encode()).hexdigest()[:16], after]).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/audit", {"name": ZERO}),
        ("/batches", {"project": ZERO}),
        ("/ledger", {"scope": "key", "name": ZERO}),
        ("/ledger", {"scope": "tag", "name": ZERO}),
        ("/ledger", {"call": ZERO}),
        ("/statements", {"from": "2026-01-01", "to": "2026-02-01", "name": ZERO}),
        ("/keys", {"project": ZERO}),
        ("/limits", {"project": ZERO}),
    ],
)
async def test_a_text_that_no_database_takes_is_refused(
    api: httpx.AsyncClient, path: str, query: dict[str, str]
) -> None:
    answer = await api.get(path, params=query)
    assert answer.status_code == 422, answer.text


async def test_nothing_has_a_name_with_a_zero(api: httpx.AsyncClient) -> None:
    for path in ("/batches/a%00b", "/models/a%00b", "/roles/a%00b", "/keys/a%00b", "/roles/a%00b/versions"):
        assert (await api.get(path)).status_code == 404, path
    for path in ("/batches/a%00b/cancel", "/keys/a%00b/revoke", "/models/a%00b/stage"):
        answer = await api.post(path, json={"stage": "staging"}, headers={"if-match": "*"})
        assert answer.status_code in (404, 422), (path, answer.text)


async def test_there_is_nothing_before_and_after_all_time(api: httpx.AsyncClient) -> None:
    for day in ("0001-01-01", "0944-11-12", "9999-12-31"):
        for end in ("from", "to"):
            answer = await api.get("/ledger", params={end: day})
            assert (answer.status_code, answer.json()) == (200, {"data": [], "next": None}), (end, day)
            span = {"from": day, "to": day}
            assert (await api.get("/statements", params=span)).status_code in (200, 400), day


@pytest.mark.parametrize(
    "after", ["x", "²", "-1", "9" * 30, "1 \0", "9" * 30 + " b", "1.a\0.1", "9" * 30 + ".a.1", "1.a.²"]
)
async def test_a_forged_cursor_is_refused_or_leads_nowhere(api: httpx.AsyncClient, after: str) -> None:
    await api.post("/roles", json={"name": "r", "spec": {}})
    for path, of in (
        ("/audit", "/audit?kind=&name=&who="),
        ("/batches", "/batches?status=None&project="),
        ("/roles/r/versions", "/roles/r/versions"),
        ("/ledger", "/ledger None  None None "),
        ("/roles", "/roles?project="),
    ):
        answer = await api.get(path, params={"cursor": forged(of, after)})
        assert answer.status_code in (200, 400), (path, answer.text)
        if answer.status_code == 400:
            assert answer.json()["code"] == "invalid_cursor"
