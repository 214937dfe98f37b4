import type { Curve } from './curve.ts'

/** Implementations of signature checking, fastest first; what they cost stands in docs/architecture.md. */
export const VERIFIER_TIERS = ['native', 'wasm', 'noble'] as const
export type VerifierTier = (typeof VERIFIER_TIERS)[number]
/** `auto`: the first of {@link VERIFIER_TIERS} that this machine has. */
export type VerifierSetting = VerifierTier | 'auto'

export const isVerifierSetting = (value: unknown): value is VerifierSetting =>
  value === 'auto' || (VERIFIER_TIERS as readonly unknown[]).includes(value)

/** What is meant where nobody chose: POSTHORN_VERIFIER, or `auto`. Throws a TypeError if that names no tier. */
export function defaultVerifierSetting(): VerifierSetting {
  const setting = process.env['POSTHORN_VERIFIER'] || 'auto'
  if (isVerifierSetting(setting)) return setting
  throw new TypeError(`POSTHORN_VERIFIER is auto, ${VERIFIER_TIERS.join(', ')}, got ${JSON.stringify(setting)}`)
}

/** The tier that was asked for cannot be had here. */
export class VerifierUnavailableError extends Error {
  override readonly name = 'VerifierUnavailableError'
  readonly code = 'verifier-unavailable'
}

export interface LoadedTier {
  readonly tier: VerifierTier
  readonly curve: Curve
  /** Why the faster ones are not used. */
  readonly passedOver: readonly string[]
}

const LOADERS: Readonly<Record<VerifierTier, () => Promise<Curve>>> = {
  native: async () => (await import('./curve-native.ts')).loadNativeCurve(),
  wasm: async () => (await import('./curve-wasm.ts')).loadWasmCurve(),
  noble: async () => (await import('./curve-noble.ts')).loadNobleCurve(),
}

/** Loads an implementation for the calling thread. Rejects with {@link VerifierUnavailableError}. */
export async function loadTier(setting: VerifierSetting): Promise<LoadedTier> {
  const passedOver: string[] = []
  for (const tier of setting === 'auto' ? VERIFIER_TIERS : [setting]) {
    try {
      return { tier, curve: await LOADERS[tier](), passedOver }
    } catch (error) {
      passedOver.push(`${tier}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new VerifierUnavailableError(`no verifier can be loaded here: ${passedOver.join('; ')}`)
}
