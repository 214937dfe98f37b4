/** What a tool could not do, told to the model with what to do instead. The message is ours alone: never words of others. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly code:
    | 'cursor-unknown'
    | 'message-unknown'
    | 'recipient-unknown'
    | 'sender-unknown'
    | 'nothing-to-send'
    | 'too-large'
    | 'not-available'
  constructor(code: ToolError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
