"""OpenTelemetry's SDK, whose spans go out by its stock exporter for gRPC, compressed and not.

Where OTEL_EXPORTER_OTLP_CERTIFICATE names an authority, over TLS.
"""

import os

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import Compression, OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

plain = "OTEL_EXPORTER_OTLP_CERTIFICATE" not in os.environ
key, at = os.environ["SWITCHGEAR_KEY"], os.environ["SWITCHGEAR_GRPC"]
provider = TracerProvider(resource=Resource.create({"service.name": "by-grpc"}))
for compression in (Compression.NoCompression, Compression.Gzip):
    exporter = OTLPSpanExporter(
        endpoint=at, insecure=plain, headers=(("authorization", f"Bearer {key}"),), compression=compression
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("by-hand")
with tracer.start_as_current_span("outer"):
    for number in range(50):
        with tracer.start_as_current_span("chat small") as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.usage.input_tokens", number)
assert provider.force_flush()
provider.shutdown()
