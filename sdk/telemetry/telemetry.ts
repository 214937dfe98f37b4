import { type OpenTelemetryApi, type OtelContext, type OtelSpanContext, spansThrough } from '../../platform/otel.ts'

export type { OpenTelemetryApi } from '../../platform/otel.ts'

/** Of OpenTelemetry's messaging conventions. */
const KINDS = { send: 3, ask: 2, receive: 4, handle: 4 } as const
const OPERATIONS = { send: 'send', ask: 'send', receive: 'receive', handle: 'process' } as const

export interface SpanOptions {
  readonly name: keyof typeof KINDS
  /** The performative. */
  readonly act: string
  /** The other side's public key. */
  readonly peer: string
  /** The message's id, where it has one already. */
  readonly id?: string | undefined
  /** W3C trace context of what caused it; default: what is active here. */
  readonly parent?: string | undefined
}

export interface RunningSpan {
  /** W3C trace context for what this causes; the parent's own where nobody traces. */
  readonly traceparent: string | undefined
  /** The message's id, once it has one. */
  identify(id: string): void
}

/** Where spans go. */
export interface Telemetry {
  /** Runs `work` as the active span, and ends it when `work` returns or its promise settles; a throw is the span's error. */
  span<T>(options: SpanOptions, work: (span: RunningSpan) => T): T
}

/** Nobody listens: the trace context is passed through, and that is all. */
export const noTelemetry: Telemetry = {
  span: ({ parent }, work) => work({ traceparent: parent, identify() {} }),
}

/** Spans through the API object of `@opentelemetry/api`. */
export function openTelemetry(api: OpenTelemetryApi): Telemetry {
  const { trace, context } = api
  const runInSpan = spansThrough(api, 'posthorn')

  function contextOf(parent: string | undefined): OtelContext {
    const active = context.active()
    const remote = parent === undefined ? undefined : parseTraceparent(parent)
    return remote ? trace.setSpanContext(active, remote) : active
  }

  return {
    span({ name, act, peer, id, parent }, work) {
      const attributes = {
        'messaging.system': 'posthorn',
        'messaging.operation.name': name,
        'messaging.operation.type': OPERATIONS[name],
        'messaging.destination.name': peer,
        'posthorn.act': act,
        ...(id === undefined ? {} : { 'messaging.message.id': id }),
      }
      return runInSpan({ name: `${name} ${act}`, kind: KINDS[name], attributes, around: contextOf(parent) }, span =>
        work({
          traceparent: formatTraceparent(span.spanContext()) ?? parent,
          identify: known => void span.setAttribute('messaging.message.id', known),
        }),
      )
    },
  }
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/
const ZEROS = /^0+$/

/** W3C Trace Context, level 1; later versions begin alike. */
function parseTraceparent(text: string): OtelSpanContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(text) ?? []
  if (traceId === '' || text.startsWith('ff') || ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
}

/** Undefined if nobody traces: the API alone gives a context of zeros. */
function formatTraceparent({ traceId, spanId, traceFlags }: OtelSpanContext): string | undefined {
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`
}
