/** What we use of `@opentelemetry/api` 1.x, so that neither code nor types need the package. */
export interface OpenTelemetryApi {
  readonly trace: {
    getTracer(name: string): {
      startSpan(
        name: string,
        options: { kind: number; attributes: Record<string, string | number> },
        context: OtelContext,
      ): OtelSpan
    }
    setSpan(context: OtelContext, span: OtelSpan): OtelContext
    setSpanContext(context: OtelContext, spanContext: OtelSpanContext): OtelContext
    getSpanContext(context: OtelContext): OtelSpanContext | undefined
  }
  readonly context: {
    active(): OtelContext
    with<T>(context: OtelContext, run: () => T): T
  }
}

export interface OtelContext {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): OtelContext
  deleteValue(key: symbol): OtelContext
}

export interface OtelSpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
  readonly isRemote?: boolean
}

export interface OtelSpan {
  spanContext(): OtelSpanContext
  setAttribute(key: string, value: string | number): unknown
  setStatus(status: { code: number; message?: string }): unknown
  recordException(error: Error): void
  end(): void
}

const STATUS_ERROR = 2

export interface SpanSpec {
  readonly name: string
  /** Of OpenTelemetry's SpanKind. */
  readonly kind: number
  readonly attributes: Record<string, string | number>
  /** Default: what is active here. */
  readonly around?: OtelContext
}

/** Runs `work` as the active span, and ends it when `work` returns or its promise settles; a throw is the span's error. */
export type RunInSpan = <T>(spec: SpanSpec, work: (span: OtelSpan) => T) => T

/** Spans of one library, through the API object of `@opentelemetry/api`. */
export function spansThrough({ trace, context }: OpenTelemetryApi, library: string): RunInSpan {
  const tracer = trace.getTracer(library)
  return ({ name, kind, attributes, around = context.active() }, work) => {
    const span = tracer.startSpan(name, { kind, attributes }, around)
    const fail = (error: unknown) => {
      const shown = error instanceof Error ? error : new Error(String(error))
      span.recordException(shown)
      span.setStatus({ code: STATUS_ERROR, message: shown.message })
      span.end()
    }
    return context.with(trace.setSpan(around, span), () => {
      try {
        const result = work(span)
        if (result instanceof Promise) result.then(() => span.end(), fail)
        else span.end()
        return result
      } catch (error) {
        fail(error)
        throw error
      }
    })
  }
}
