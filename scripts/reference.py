"""Reference tables for docs/, written from the code itself (see scripts/docs.py)."""

import ast
import inspect
import re
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import fields

from switchgear.app.spans import exposition_of_log
from switchgear.batches.gauges import exposition as exposition_of_batches
from switchgear.batches.model import Progress
from switchgear.kernel import errors
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import CallerError, ConfigError, SwitchgearError, UpstreamRefused
from switchgear.kernel.limit_report import LimitReport
from switchgear.kernel.upstream import ProviderSettings
from switchgear.processes.bookkeeping import Standing
from switchgear.processes.follow import Follower
from switchgear.providers.kind import Environment, Kind
from switchgear.providers.registry import discover
from switchgear.providers.simulator.catalogue import MODELS
from switchgear.providers.simulator.script import Parameters
from switchgear.routing.report import BudgetReport, DeploymentReport, FleetReport, Word
from switchgear.traces.alerts.exposed import exposition as exposition_of_alerts
from switchgear.traces.error_class import CLASSES
from switchgear.traces.export.counts import ExportCounts
from switchgear.traces.families import Family
from switchgear.traces.gauges import exposition
from switchgear.traces.ingest_counts import IngestCounts
from switchgear.traces.journal import JournalSettings, JournalWriter
from switchgear.traces.journal_reader import FileOffsets, JournalReader
from switchgear.traces.masked import SpanMasks
from switchgear.traces.meter import Meter

FAULTS: Final = {
    "caller": "the caller",
    "gateway": "this gateway",
    "upstream": "the upstream",
    "operator": "the operator",
}

# Never raised themselves: they say whose doing their members are.
FAMILIES: Final = (SwitchgearError, CallerError)

REMEDIES: Final[Mapping[str, str]] = {
    "BadRequest": "Correct the field that the message names.",
    "UnsupportedField": "Leave the field out, call a model whose provider speaks your client's dialect, or have the "
    "deployment [drop](configuration.md#fields-that-an-upstream-does-not-take) it.",
    "NotOffered": "Call a model that performs the operation ([Providers](providers.md) lists who does).",
    "PriceUnknown": "Declare what the model costs under `prices` of its provider, or set `prices.unknown: flag` "
    "([Prices](prices.md)).",
    "NotCapable": "Leave the field out, or call a model that can do it ([Models](models.md)); operators: correct what "
    "is declared, or set `routing.capabilities: ignore`.",
    "ContextTooLong": "Shorten the prompt, or call a model with a larger context window.",
    "PreviousNotFound": "Send the whole conversation as `input`; see [how long responses are kept](responses.md).",
    "ContentFiltered": "Change the prompt; the upstream decided, the gateway only reports.",
    "Unauthenticated": "Send a key that `switchgear.yaml` declares and leaves enabled; `switchgear check` lists them.",
    "Forbidden": "Stay within the key's models, doors and addresses, or have them widened.",
    "NotFound": "Check the base URL: `/v1` for OpenAI's SDK, no path for Anthropic's, Google's, Cohere's and Azure's.",
    "ModelNotFound": "Use one of the close matches, or a name that `GET /v1/models` lists.",
    "ModelRetired": "Call the model that took its place; operators: name one under `card.redirect_to` "
    "([Models](models.md)).",
    "MethodNotAllowed": "Use the method that the message names.",
    "BodyTimeout": "Send the request without pauses; look for a slow proxy in between.",
    "BodyTooLarge": "Send less, refer to media by URL, or raise `server.max_body_bytes`.",
    "HeadersTooLarge": "Send fewer or shorter headers; cookies and tracing baggage are the usual ones.",
    "RateLimited": "Wait as long as `retry-after` says.",
    "QuotaExceeded": "Raise the budget that the message names, or wait for its next window.",
    "UpstreamError": "Try again; if it stays, ask the provider.",
    "UpstreamUnreachable": "Check that the server at the address in the message runs, and `base_url`.",
    "UpstreamGarbled": "Check that `base_url` leads to the API, with its `/v1`, and not to a web page or another kind.",
    "UpstreamTruncated": "Do not take what came for the whole answer; ask again if a second answer may cost twice.",
    "UpstreamTimeout": "Try again; raise the deployment's `timers` if the model is that slow.",
    "UpstreamUnauthorized": "Nothing for the caller; operators: correct the `api_key` of the provider that the message "
    "names, or what the vendor allows that key.",
    "UpstreamRefused": "Read the upstream's message.",
    "Overloaded": "Try again after `retry-after`; operators: see [the journal](operations.md#the-journal).",
    "Internal": "Report it with the `x-request-id` and the traceback that the log holds under it.",
    "ConfigError": "Correct the line; `switchgear check` tells every problem at once.",
}

# What the class itself leaves unsaid.
UNSAID: Final = {"retry_after_seconds": "When an error says to come back; without it, it does not say."}

RESPONSES: Final = "openai_responses"
OPERATIONS: Final = ("chat", "completions", "embeddings", "rerank", "count_tokens")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    head, *lines = (f"| {' | '.join(line)} |" for line in (headings, *rows))
    return "\n".join([head, f"|{'---|' * len(headings)}", *lines])


def quoted(text: str | None) -> str:
    """Text as code; nothing for nothing."""
    return f"`{text}`" if text else ""


def error_classes(root: type[SwitchgearError] = SwitchgearError) -> Iterator[type[SwitchgearError]]:
    """Every class of the error tree, parents before children, in the order of the file."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_classes(child)


def first_sentence(kind: type[SwitchgearError]) -> str:
    """What the class says of itself, as one table cell."""
    paragraph = (kind.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`").replace("|", "\\|")


def errors_table() -> str:
    """Status, code, whose fault, whether a retry helps, the meaning and the remedy of each error."""
    rows: list[list[str]] = []
    for kind in error_classes():
        if kind in FAMILIES:
            continue
        retry = "yes" if kind.retryable else "no"
        status, code = f"{kind.status}", f"`{kind.code}`"
        if kind is UpstreamRefused:
            status, code, retry = "its own", "its own", "408, 409, 429, 5xx"
        if kind is ConfigError:
            status = "none"
        rows.append([status, code, FAULTS[kind.fault], retry, first_sentence(kind), REMEDIES[kind.__name__]])
    return table(["status", "code", "whose doing", "retry helps", "meaning", "what to do"], rows)


def kinds() -> Mapping[str, Kind]:
    """The kinds of provider that come with Switchgear; what else is installed here does not belong in the docs."""
    return discover(plug_ins=())


def providers_table() -> str:
    """Kind, default address, environment variables and operations of each kind of provider."""
    return table(
        ["kind", "address", "key from", "address from", "operations", "Responses API"],
        [_provider_row(kind) for kind in kinds().values()],
    )


def _provider_row(kind: Kind) -> list[str]:
    names = kind.environment or Environment()
    address = "built in" if names.always else quoted(kind.base_url) or "`base_url` must say it"
    both = " (both are needed)" if names.needs_both else ""
    provider = kind.build(ProviderSettings(name=kind.name, base_url=kind.base_url or "http://localhost/v1"))
    offered = [operation for operation in OPERATIONS if provider.target(operation, "openai_chat", "any") is not None]
    keys = " or ".join(quoted(name) for name in (names.key, names.other_key) if name)
    own = provider.target("chat", RESPONSES, "any")
    responses = "" if own is None or own.dialect != RESPONSES else "yes"
    if responses and provider.quirks.keeps_responses:
        responses = "yes, and keeps responses"
    return [quoted(kind.name), address, keys, quoted(names.url) + both, ", ".join(offered), responses]


def simulator_models_table() -> str:
    """Name, behaviour and default parameters of each of the simulator's models."""
    rows = [
        [f"`sim/{model.name}`", model.description, ", ".join(f"`{name}={value}`" for name, value in model.parameters)]
        for model in MODELS
    ]
    return table(["model", "what it does", "parameters of its own"], rows)


def simulator_parameters_table() -> str:
    """Name, default and meaning of each parameter of the simulator."""
    meanings = {**UNSAID, **field_docs(Parameters)}
    rows = [
        [quoted(field.name), quoted("" if field.default is None else str(field.default)), meanings[field.name]]
        for field in fields(Parameters)
    ]
    return table(["parameter", "default", "meaning"], rows)


def field_docs(kind: type) -> Mapping[str, str]:
    """The text under each field of a class that has one."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    name = ""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = " ".join(str(node.value.value).split())
    return found


def metrics_table() -> str:
    """Name, type, labels and meaning of each metric that calls give under Switchgear's own names."""
    return _families(family for family in Meter().families() if family.name.startswith("switchgear_"))


def gen_ai_metrics_table() -> str:
    """The same for those under OpenTelemetry's names."""
    return _families(family for family in Meter().families() if family.name.startswith("gen_ai_"))


def error_classes_table() -> str:
    """Each class of errors that metrics tell."""
    return table(["class", "what it is"], [[quoted(name), about] for name, about in CLASSES.items()])


def journal_metrics_table() -> str:
    """The same for what a journal's writer and its readers count."""
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        writer = JournalWriter(JournalSettings(directory=directory), "docs", SystemClock())
        meter.watch(writer.counts)
        meter.watch(JournalReader(directory, FileOffsets(directory / "docs.offsets")).counts)
        exposition = meter.render()
        writer.close()
        followed = Follower(directory, SystemClock()).metrics()
    journal = exposition[exposition.index("# HELP switchgear_journal_") :]
    return _metrics_in(journal + followed[followed.index("# HELP switchgear_journal_behind_seconds") :])


def deployment_metrics_table() -> str:
    """The same for what gateways tell of their deployments."""
    deployment = DeploymentReport(
        name="d",
        first_token_seconds=1.0,
        first_token_p95_seconds=1.0,
        server_running=1,
        server_waiting=1,
        server_cache_usage=1.0,
    )
    budget = BudgetReport(name="p", left=1, spent=1)
    limit = LimitReport(limit="l", quantity="usd", whom="", used=1, held=0, allowed=2, action="block")
    return _metrics_in(
        exposition(
            Word(
                reports=(
                    FleetReport(
                        gateway="g",
                        deployments=(deployment,),
                        retry_budgets=(budget,),
                        hedge_budgets=(budget,),
                        limits=(limit,),
                    ),
                )
            )
        )
    )


def ledger_metrics_table() -> str:
    """The same for what the control process counts of the ledger."""
    standing = Standing(SystemClock())
    standing.differences["journal_ledger"] = 1
    return _metrics_in(standing.render())


def exposed_metrics() -> set[str]:
    """The names of all metrics."""
    tables = (
        metrics_table(),
        gen_ai_metrics_table(),
        deployment_metrics_table(),
        journal_metrics_table(),
        batch_metrics_table(),
        ledger_metrics_table(),
        span_metrics_table(),
        alert_metrics_table(),
    )
    return {name for text in tables for name in re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)}


def make_table() -> str:
    """Each target of the Makefile, with its help."""
    makefile = (Path(__file__).resolve().parent.parent / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*?## (.*)$", makefile, re.MULTILINE)
    return table(["target", "what it does"], [[f"`make {name}`", about] for name, about in targets])


def batch_metrics_table() -> str:
    """The same for what the control process tells of batches."""
    return _metrics_in(exposition_of_batches(Progress(batches={"completed": 1}, lines={"waiting": 1}), 0))


def span_metrics_table() -> str:
    """The same for what the one way in counts of spans, and what becomes of those that go out."""
    counts = IngestCounts()
    counts.taken["otlp"] = 1
    counts.refused["otlp", "bad_ids"] = counts.mended["otlp", "no_end"] = counts.turned_away["otlp", "behind"] = 1
    exported = ExportCounts()
    exported.of("far")
    masks = SpanMasks(lambda _: ())
    masks.found["email"] = 1
    return _metrics_in(counts.exposition() + exposition_of_log(1, 1) + masks.exposition() + exported.exposition())


def alert_metrics_table() -> str:
    """The same for how alerts stand."""
    return _metrics_in(exposition_of_alerts(["rule"], ()))


def _families(families: Iterable[Family]) -> str:
    rows = [
        [quoted(one.name), one.kind, ", ".join(quoted(label) for label in one.labels), one.about] for one in families
    ]
    return table(["metric", "type", "labels", "meaning"], rows)


def _metrics_in(exposition: str) -> str:
    """The families of a text in Prometheus' format, with the labels of their first sample."""
    rows: list[list[str]] = []
    for family in exposition.split("# HELP ")[1:]:
        head, kind, sample = family.split("\n")[:3]
        name, _, about = head.partition(" ")
        labels = [label for label in re.findall(r'(\w+)="', sample) if label != "le"]
        rows.append([quoted(name), kind.split()[-1], ", ".join(quoted(label) for label in labels), about])
    return table(["metric", "type", "labels", "meaning"], rows)
