/** A shared document cannot be had, or changed so. */
export class DocError extends Error {
  override readonly name = 'DocError'
  readonly code:
    | 'doc-name'
    | 'doc-unknown'
    | 'doc-exists'
    | 'doc-not-empty'
    | 'doc-not-member'
    | 'doc-role'
    | 'doc-members-full'
    | 'doc-key'
    | 'doc-closed'
    | 'doc-unreachable'
    | 'doc-too-large'
    | 'doc-not-compactable'
  constructor(code: DocError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
