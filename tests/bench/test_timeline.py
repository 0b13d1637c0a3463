"""What the generator's log says, moment by moment."""

from pathlib import Path

from bench.timeline import Answer, between, p99_ms, percentile, read_log


def test_a_log_is_read_in_the_order_the_requests_were_due(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("2000 1500000 ok\n1000 2500 non_2xx\n")
    assert read_log(log) == [Answer(1000, 2.5, "non_2xx"), Answer(2000, 1500.0, "ok")]


def test_a_stretch_of_time_holds_what_was_due_in_it() -> None:
    answers = [Answer(due, 1.0, "ok") for due in (10, 20, 30)]
    assert between(answers, 10, 30) == answers[:2]


def test_percentiles_are_of_the_nearest_rank_and_nothing_has_none() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 1.0) == 3.0
    assert percentile([], 0.99) == 0.0
    assert p99_ms([Answer(at, 1000.0 * at, "ok") for at in range(100)]) == 99.0
