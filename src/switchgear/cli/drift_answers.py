"""``switchgear drift``: asked of a running gateway, and shown."""

from collections.abc import Iterator
from typing import Final

from switchgear.cli.drift import CheckDriftOptions, ListDriftOptions
from switchgear.cli.output import Block, Grid, show_blocks, show_json
from switchgear.cli.trace_asking import Asking
from switchgear.traces.drift.api import ReportPage, ShownReport
from switchgear.traces.drift.report import Compared, Question, Report
from switchgear.traces.drift.result import Result

_PATH: Final = "/api/v1/drift"
_CHECKS: Final = ("at", "by", "model", "prompt", "drift of")
_HEADINGS: Final = ("monitor", "test", "verdict", "p", "adjusted", "effect", "inputs", "since when, or why not")


def check(options: CheckDriftOptions) -> None:
    """Check now, and print what every monitor says."""
    question = Question(
        project=options.project,
        model=options.model,
        prompt=options.prompt,
        current_hours=options.current_hours,
        reference_days=options.reference_days,
    )
    made = Asking(options.url, options.key, options.config).post(_PATH, question, ShownReport)
    if options.as_json:
        show_json(made)
    else:
        show_blocks(blocks(made.report))


def list_checks(options: ListDriftOptions) -> None:
    """Print what checks found."""
    asked = {
        "project": options.project,
        "drifted": "true" if options.drifted else "",
        "limit": str(options.limit),
    }
    found = Asking(options.url, options.key, options.config).get(_PATH, asked, ReportPage).data
    if options.as_json:
        show_json(found)
    elif not found:
        show_blocks(["No check is kept."])
    else:
        show_blocks([Grid(headings=_CHECKS, rows=[row for one in found for row in _check_rows(one)])])


def _check_rows(one: ShownReport) -> Iterator[tuple[str, ...]]:
    for compared in one.report.compared:
        told = sorted({result.monitor for result in compared.results if result.verdict == "drift"})
        yield _time(one.at), one.made_by, compared.model, compared.prompt, ", ".join(told) or "no drift"


def blocks(report: Report) -> Iterator[Block]:
    """A report as people read it."""
    current, reference = report.current, report.reference
    yield f"{_time(current.since)} to {_time(current.until)}, against what came before since {_time(reference.since)}"
    if not report.compared:
        yield f"No model was called in project {report.project} in that time."
    for compared in report.compared:
        yield _title(compared)
        yield Grid(headings=_HEADINGS, rows=[_row(result) for result in compared.results])
    if report.left_out:
        yield f"{report.left_out} more models and prompts with fewer calls were not looked at; name one by --model."


def _title(compared: Compared) -> str:
    what = f"{compared.model}, prompt {compared.prompt}" if compared.prompt else compared.model
    told = "drift" if compared.drifted else "no drift"
    return f"{what}: {told} ({compared.current_calls} calls, {compared.reference_calls} before)"


def _row(result: Result) -> tuple[str, ...]:
    sizes = f"{result.current_size} v {result.reference_size}"
    if result.verdict in ("too_few", "off"):
        return (result.monitor, result.method, result.verdict, "", "", "", sizes, result.reason)
    adjusted = "" if result.adjusted_p is None else f"{result.adjusted_p:.4f}"
    numbers = (f"{result.p_value:.4f}", adjusted, f"{result.effect_size:.3f}", sizes)
    return (result.monitor, result.method, result.verdict, *numbers, _time(result.since))


def _time(moment: str) -> str:
    return moment[:16].replace("T", " ")
