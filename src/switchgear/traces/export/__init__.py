"""Spans that go out: to any collector that speaks OTLP."""
