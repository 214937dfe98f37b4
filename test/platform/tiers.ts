import { loadTier, VERIFIER_TIERS, type VerifierTier } from '#dist/platform/verifier-tier.js'

/** The tiers that this machine has; only `native` may be missing, and then a line says so. */
export async function availableTiers(): Promise<VerifierTier[]> {
  const available: VerifierTier[] = []
  for (const tier of VERIFIER_TIERS) {
    try {
      await loadTier(tier)
      available.push(tier)
    } catch (error) {
      if (tier !== 'native') throw error
      console.warn(`not tested here: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return available
}
