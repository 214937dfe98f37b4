/** One small answer of a web server. */
export interface WebAnswer {
  /** Of HTTP; a redirect is not followed and comes as what it is. */
  readonly status: number
  readonly text: string
  /** The Date header, where the host can tell. */
  readonly date?: string
}

export interface WebGetOptions {
  /** Refuses what is not on the public internet, whatever its name resolves to. */
  readonly publicOnly: boolean
  /** A longer answer is a failure. */
  readonly maxBytes: number
  /** For all of it, in ms. */
  readonly timeoutMs: number
  /** Media type asked for; default `application/json`. */
  readonly accept?: string
}

/** GET without cookies, without following redirects. Rejects with an Error that says why in a few words. */
export type WebGet = (url: string, options: WebGetOptions) => Promise<WebAnswer>
