import { onDemand } from '../platform/on-demand.ts'

/** What few agents need (`seldom.ts`), fetched once. Rejects where it cannot be fetched; the next call tries again. */
export const loadSeldom = onDemand(() => import('./seldom.ts'))
