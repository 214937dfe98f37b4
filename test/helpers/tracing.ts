import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  type ContextManager,
  context,
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanOptions,
  type SpanStatus,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'

export interface RecordedSpan {
  readonly name: string
  readonly kind: number | undefined
  readonly attributes: Record<string, unknown>
  readonly context: SpanContext
  readonly parent: SpanContext | undefined
  status: SpanStatus
  readonly exceptions: unknown[]
  ended: boolean
}

/** Sets OpenTelemetry up with a provider and a context manager that keep everything in memory, through its real API; of one library nothing. */
export function recordSpans(except?: string): { spans: RecordedSpan[]; stop(): void } {
  const spans: RecordedSpan[] = []
  const hex = (length: number) => (spans.length + 1).toString(16).padStart(length, '0')
  const startSpan = (name: string, options: SpanOptions = {}, around: Context = context.active()): Span => {
    const parent = trace.getSpanContext(around)
    const recorded: RecordedSpan = {
      name,
      kind: options.kind,
      attributes: { ...options.attributes },
      context: { traceId: parent?.traceId ?? hex(32), spanId: hex(16), traceFlags: 1 },
      parent,
      status: { code: SpanStatusCode.UNSET },
      exceptions: [],
      ended: false,
    }
    spans.push(recorded)
    const span: Span = {
      spanContext: () => recorded.context,
      setAttribute(key, value) {
        recorded.attributes[key] = value
        return span
      },
      setAttributes: () => span,
      addEvent: () => span,
      addLink: () => span,
      addLinks: () => span,
      setStatus(status) {
        recorded.status = status
        return span
      },
      updateName: () => span,
      end() {
        recorded.ended = true
      },
      isRecording: () => !recorded.ended,
      recordException: error => void recorded.exceptions.push(error),
    }
    return span
  }
  const tracer = { startSpan } as Tracer
  const deaf = { startSpan: () => trace.wrapSpanContext(INVALID_SPAN_CONTEXT) } as unknown as Tracer
  const storage = new AsyncLocalStorage<Context>()
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (around, run, self, ...args) => storage.run(around, () => run.call(self as never, ...args)),
    bind: (_around, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  trace.setGlobalTracerProvider({ getTracer: name => (name === except ? deaf : tracer) })
  context.setGlobalContextManager(manager)
  return {
    spans,
    stop() {
      trace.disable()
      context.disable()
    },
  }
}
