"""Langfuse's, LangSmith's and Phoenix' own SDKs, unchanged, against their doors on a server's socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.migrations import upgrade
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from switchgear.traces.scores.store import Sought
from tests.traces.doors.stand import APPLICATION_KEY, Stand, run_program

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@pytest.fixture
async def own_database(tmp_path: Path) -> AsyncGenerator[ControlDatabase]:
    """SQLite's: what SDKs do is the same on any engine."""
    made = open_database(Control(database=Secret(str(tmp_path / "control.db"))))
    await upgrade(made)
    yield made
    await made.aclose()


@pytest.fixture
async def served(own_database: ControlDatabase, tmp_path: Path) -> AsyncGenerator[tuple[Stand, str]]:
    """The doors, and where they are."""
    stand = Stand(own_database, tmp_path)
    listening = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(stand.app, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    yield stand, f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await serving
    listening.close()


async def test_langfuse_gives_scores_and_brings_a_picture(served: tuple[Stand, str], tmp_path: Path) -> None:
    stand, url = served
    link = (await run_program("langfuse_traces.py", url)).strip().splitlines()[-1]
    scores = {score.name: score for score in await stand.doors_scores.find(Sought(project="blue"))}
    assert (scores["accuracy"].number, scores["accuracy"].target, scores["accuracy"].comment) == (
        0.75,
        "trace",
        "close",
    )
    assert (scores["mood"].text, scores["mood"].span_id) == ("glad", SPAN)
    assert (scores["sound"].data_type, scores["sound"].session) == ("boolean", "chat-7")
    async with httpx.AsyncClient() as client:
        picture = await client.get(link)
        assert picture.content.startswith(b"\x89PNG")
        assert picture.headers["content-disposition"] == "attachment"
        forged = link.replace("signature=", "signature=0")
        assert (await client.get(forged)).status_code == 403
    assert urlsplit(link).path.startswith("/api/public/media/")


async def test_langsmith_traces_a_function_and_reads_it_back(served: tuple[Stand, str]) -> None:
    stand, url = served
    assert (await run_program("langsmith_runs.py", url)).split() == ["3"]
    ask = stand.memory.named("ask")
    answers = [span for span in stand.memory.told.values() if span.name == "answer"]
    good = next(span for span in answers if span.status == "ok")
    assert good.trace_id == "018f4a2e7c117abc8def0123456789ab"
    assert (ask.parent_id, ask.trace_id) == (good.span_id, good.trace_id)
    assert good.ended_ns > good.started_ns
    assert ask.attributes["gen_ai.usage.input_tokens"] == 12
    assert ask.attributes["gen_ai.usage.cache_read.input_tokens"] == 4
    assert ask.attributes["gen_ai.request.model"] == "gpt-x"
    failed = next(span for span in answers if span.status == "error")
    assert "nothing was asked" in failed.status_message
    (score,) = await stand.doors_scores.find(Sought(project="blue"))
    assert (score.name, score.number, score.span_id, score.version) == ("correctness", 1.0, good.span_id, 1)
    assert {origin.sender_project for origin in stand.memory.origins} == {"support"}


async def test_langsmith_without_compression_arrives_the_same(served: tuple[Stand, str]) -> None:
    stand, url = served
    await run_program("langsmith_runs.py", url, LANGSMITH_DISABLE_RUN_COMPRESSION="true")
    assert sorted(span.name for span in stand.memory.told.values()) == ["answer", "answer", "ask"]


async def test_phoenix_logs_spans_and_annotates_them(served: tuple[Stand, str]) -> None:
    stand, url = served
    told = await run_program("phoenix_spans.py", url)
    assert "status_code is one of" in told
    assert stand.memory.named("third").attributes["llm.model_name"] == "gpt-x"
    found = await stand.doors_scores.find(Sought(project="blue"))
    assert {(score.name, score.target, score.source) for score in found} == {
        ("quality", "span", "judge"),
        ("note", "span", "human"),
        ("whole", "trace", "code"),
        ("mood", "session", "human"),
    }
    quality = next(score for score in found if score.name == "quality")
    assert (quality.text, quality.number, quality.comment, quality.version) == ("right", 0.9, "clear", 1)


async def test_clients_tell_what_a_key_lacks_that_may_not_read(served: tuple[Stand, str]) -> None:
    _, url = served
    told = (await run_program("refused_reads.py", url, SWITCHGEAR_KEY=APPLICATION_KEY)).strip().splitlines()
    assert [line.split(" ")[0] for line in told] == ["langfuse", "langsmith", "phoenix"]
    assert all("doors: [traces, traces_read]" in line for line in told), told
