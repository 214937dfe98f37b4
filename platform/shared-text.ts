/** Text that goes to many receivers, or came from another thread: what it was not made of is made once, when it is first needed. */
export class SharedText {
  #text: string | undefined
  #bytes: Uint8Array | undefined

  constructor(content: string | Uint8Array) {
    if (typeof content === 'string') this.#text = content
    else this.#bytes = content
  }

  get text(): string {
    this.#text ??= this.#bytes === undefined ? '' : utf8Of(this.#bytes)
    return this.#text
  }

  /** UTF-8. */
  get bytes(): Uint8Array {
    this.#bytes ??= Buffer.from(this.#text ?? '')
    return this.#bytes
  }

  /** How much it is: characters, or bytes of what is known as bytes only. */
  get length(): number {
    return this.#text?.length ?? this.#bytes?.length ?? 0
  }
}

const utf8Of = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString()
