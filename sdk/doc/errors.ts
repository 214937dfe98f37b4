/** A shared document cannot be had, or changed so. */
export class DocError extends Error {
  override readonly name = 'DocError'
  readonly code:
    | 'doc-name'
    | 'doc-unknown'
    | 'doc-open'
    | 'doc-not-empty'
    | 'doc-not-member'
    | 'doc-role'
    | 'doc-members-full'
    | 'doc-key'
    | 'doc-closed'
    | 'doc-unreachable'
    | 'doc-not-compactable'
    | 'doc-not-done'
  constructor(code: DocError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
