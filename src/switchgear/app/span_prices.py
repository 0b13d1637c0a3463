"""What spans cost whose senders did not say: by the prices that calls of the gateway are settled by."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import structs

from switchgear.app.prices import PriceBook
from switchgear.config.model import Config
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.pricing import Price
from switchgear.kernel.span import Span
from switchgear.models.price_table import packaged_table

_KINDS: Final[Mapping[str, str]] = {
    "aws.bedrock": "bedrock",
    "aws_bedrock": "bedrock",
    "amazon_bedrock": "bedrock",
    "azure.ai.openai": "openai",
    "azure.openai": "openai",
    "azure": "openai",
    "az.ai.openai": "openai",
    "gcp.gemini": "gemini",
    "gcp.gen_ai": "gemini",
    "gcp.vertex_ai": "gemini",
    "google": "gemini",
    "vertexai": "gemini",
    "vertex_ai": "gemini",
}
"""Kinds of provider by what conventions call them, where that differs."""
_PACKAGED_KINDS: Final = ("openai", "anthropic", "gemini", "cohere", "bedrock")
"""Asked for a model whose provider nobody names."""


class SpanPrices:
    """Prices spans; the book is made anew for each configuration."""

    def __init__(self, config: Callable[[], Config]) -> None:
        self._config = config
        self._packaged = packaged_table()
        self._of = Config()
        self._book = PriceBook(self._of, self._packaged)

    def __call__(self, span: Span) -> Span:
        """``span`` with what it cost, and who says so; one that only sums up others costs nothing of its own."""
        if span.cost_nano_usd is not None:
            return span if span.cost_source else structs.replace(span, cost_source="reported")
        if span.usage is None or not span.counted or span.cost_source:
            return span
        price = self._price(span)
        if price is None:
            return structs.replace(span, cost_source="unknown")
        now = price.at(span.started_ns)
        return structs.replace(
            span,
            cost_nano_usd=int(now.cost(span.usage)),
            cost_source="estimated" if span.usage.estimated else "computed",
            price=now.version,
        )

    def _price(self, span: Span) -> Price | None:
        book = self._current()
        models = [model for model in (span.model, span.request_model) if model]
        return next((price for model in models if (price := self._find(book, span.provider, model))), None)

    def _find(self, book: PriceBook, provider: str, model: str) -> Price | None:
        """First as a provider of the configuration, then as a vendor's kind; without a provider, by the model alone."""
        declared = book.price(provider, model) if provider in self._of.providers else None
        if declared is not None:
            return declared
        kind = _KINDS.get(provider.lower(), provider.lower())
        kinds = (kind,) if kind else _PACKAGED_KINDS
        return next((price for table in book.tables for each in kinds if (price := table.find(each, model))), None)

    def _current(self) -> PriceBook:
        config = self._config()
        if config is not self._of:
            self._of = config
            # Gateways tell of a broken table; the one before stays in force here too.
            with contextlib.suppress(ConfigError):
                self._book = PriceBook(config, self._packaged)
        return self._book
