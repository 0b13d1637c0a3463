"""OpenAI's SDK under one of the field's instrumentations, whose spans go out by the stock OTLP exporter."""

import os

from openai import OpenAI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

url, key, which = os.environ["SWITCHGEAR_URL"], os.environ["SWITCHGEAR_KEY"], os.environ["INSTRUMENTATION"]
if which == "openinference":
    from openinference.instrumentation.openai import OpenAIInstrumentor
elif which == "openai-v2":
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
else:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", headers={"authorization": f"Bearer {key}"})
provider = TracerProvider(resource=Resource.create({"service.name": which}))
provider.add_span_processor(SimpleSpanProcessor(exporter))
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = OpenAI(base_url=f"{url}/v1", api_key=key)
client.chat.completions.create(model="sim/echo", messages=[{"role": "user", "content": "how are you?"}])
provider.shutdown()
