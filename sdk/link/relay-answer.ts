import type { PublishOutcome } from './questions.ts'

/** What one relay answered to an event. */
export interface RelayAnswer {
  /** Its URL. */
  readonly relay: string
  /** `undefined`: it was not reached, or did not answer in time. */
  readonly accepted: boolean | undefined
  /** Its words: untrusted text. Empty where there are none. */
  readonly message: string
}

export const answerOf = (relay: string, { accepted, message }: PublishOutcome): RelayAnswer => ({
  relay,
  accepted,
  message,
})
