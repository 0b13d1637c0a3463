// What Vercel's AI SDK sends while it talks to the simulator, as JSON in the fields that record_spans.py reads.
// node record_vercel.mjs URL, beside a node_modules with `ai`, `@ai-sdk/openai-compatible` and `zod`; see record-spans.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import * as ai from 'ai'
import { z } from 'zod'

const exporter = new InMemorySpanExporter()
const resource = resourceFromAttributes({ 'service.name': 'recorder' })
new NodeTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()
// Since version 7 OpenTelemetry is told by a package of its own.
if (ai.registerTelemetry) {
  const { OpenTelemetry } = await import('@ai-sdk/otel')
  ai.registerTelemetry(new OpenTelemetry())
}
const { embed, generateText, stepCountIs, streamText, tool } = ai
const sim = createOpenAICompatible({
  name: 'sim',
  baseURL: `${process.argv[2]}/v1`,
  apiKey: 'none',
  includeUsage: true,
})

const about = (functionId) => ({
  maxRetries: 0,
  experimental_telemetry: {
    isEnabled: true,
    functionId,
    metadata: { userId: 'ada', sessionId: 's-1', team: 'north', tags: ['blue', 'new'] },
  },
})
const asked = { system: 'Answer in one line.', prompt: 'Which is the oldest lighthouse that still shines?' }

await generateText({ ...about('ask'), ...asked, model: sim('sim/echo'), temperature: 0.5, maxOutputTokens: 50 })

const thought = streamText({ ...about('think'), ...asked, model: sim('sim/think') })
for await (const _ of thought.textStream);

const look_up = tool({
  description: 'Looks a word up.',
  inputSchema: z.object({ word: z.string() }),
  execute: async ({ word }) => `${word}: a tower`,
})
await generateText({
  ...about('use'),
  ...asked,
  model: sim('sim/tools'),
  tools: { look_up },
  stopWhen: stepCountIs(2),
})

await generateText({ ...about('fail'), ...asked, model: sim('sim/error-400') }).catch((failure) =>
  console.error(`as planned: ${failure}`),
)

await embed({
  ...about('embed'),
  model: sim.textEmbeddingModel('sim/embed'),
  value: 'one lighthouse',
  providerOptions: { sim: { dimensions: 4 } },
})

// Backwards, for of spans that began in one millisecond the inner one ended first.
const rows = exporter.getFinishedSpans().toReversed().map((span) => ({
  trace_id: span.spanContext().traceId,
  span_id: span.spanContext().spanId,
  parent_id: span.parentSpanContext?.spanId ?? '',
  name: span.name,
  began: span.startTime,
  status: ['unset', 'ok', 'error'][span.status.code],
  status_message: span.status.message ?? '',
  attributes: span.attributes,
  events: span.events.map(({ name, attributes }) => ({ name, attributes })),
  resource: span.resource.attributes,
  scope_name: span.instrumentationScope.name,
  scope_version: span.instrumentationScope.version ?? '',
}))
console.log(JSON.stringify(rows))
