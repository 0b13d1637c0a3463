"""What spans cost whose senders did not say."""

from msgspec import convert

from switchgear.app.span_prices import SpanPrices
from switchgear.config import Config
from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.query import Aggregate, Compare, Find, Measure, OneOf, Window
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser
from tests.memory_spans import MemorySpans
from tests.traces.spans import ORIGIN, kept, told

USAGE = Usage(input=1_000_000, output=1_000_000)
CONFIG = convert(
    {
        "providers": {
            "house": {"kind": "openai", "prices": {"tiny": {"input": "1", "output": "2"}}},
        }
    },
    Config,
)


def priced(**facts: object) -> tuple[int | None, str, str]:
    span = SpanPrices(lambda: CONFIG)(kept(**facts))
    return span.cost_nano_usd, span.cost_source, span.price


def test_a_cost_that_was_reported_stands() -> None:
    assert priced(usage=USAGE, model="gpt-5", provider="openai", cost_nano_usd=5) == (5, "reported", "")
    assert priced(cost_nano_usd=0, cost_source="free") == (0, "free", "")


def test_a_provider_of_the_configuration_costs_what_is_declared_there() -> None:
    cost, source, price = priced(usage=USAGE, model="tiny", provider="house")
    assert (cost, source) == (3_000_000_000, "computed")
    assert price.startswith("declared-")


def test_a_vendors_model_costs_what_the_table_says_under_every_name_of_the_vendor() -> None:
    costs = {
        priced(usage=USAGE, model=model, provider=provider)[:2]
        for provider in ("openai", "azure.ai.openai", "OpenAI", "")
        for model in ("gpt-5", "gpt-5-2025-08-07")
    }
    ((cost, source),) = costs
    assert source == "computed"
    assert cost
    assert priced(usage=USAGE, request_model="gpt-5", provider="openai")[0] == cost


async def test_sums_by_model_have_all_that_was_paid_whether_the_answer_told_its_model_or_not() -> None:
    used = {"gen_ai.provider.name": "house", "gen_ai.usage.input_tokens": 1_000_000, "gen_ai.usage.output_tokens": 1}
    models = (
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "tiny"},
        {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "tiny"},
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "alias", "gen_ai.response.model": "tiny"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.request.model": "tiny"},
    )
    store = MemorySpans()
    way_in = Ingest(store, Normaliser(), SpanPrices(lambda: CONFIG), FrozenClock())
    calls = [told(n, n, attributes={**used, **said}) for n, said in enumerate(models, 1)]
    await way_in.take(ORIGIN, calls)
    window = Window(project="shop", since_ns=0, until_ns=1 << 62)
    of_calls = OneOf(field="kind", values=("llm", "embedding"))
    measures = (Measure(reduction="sum", field="cost_nano_usd"), Measure(reduction="count"))
    groups = await store.aggregate(Aggregate(window=window, where=of_calls, by=("model",), measures=measures))
    assert [(group.values, group.measures) for group in groups] == [(("tiny",), (3 * 1_000_002_000, 3))]
    tools = Find(window=window, where=Compare(field="kind", value="tool"))
    assert [row.model for row in (await store.find(tools)).spans] == [""], "no tool is a model"


def test_a_model_that_nobody_knows_is_of_unknown_cost_and_never_free() -> None:
    assert priced(usage=USAGE, model="no-such", provider="openai") == (None, "unknown", "")
    assert priced(usage=USAGE, provider="nobody") == (None, "unknown", "")


def test_guessed_tokens_give_an_estimated_cost() -> None:
    usage = Usage(input=1_000_000, output=1_000_000, estimated=True)
    assert priced(usage=usage, model="tiny", provider="house")[1] == "estimated"


def test_what_is_no_call_or_only_sums_up_others_costs_nothing_of_its_own() -> None:
    assert priced(name="tool") == (None, "", "")
    assert priced(usage=USAGE, model="tiny", provider="house", counted=False) == (None, "", "")
