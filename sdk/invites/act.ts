/** The act of a message that accepts an invite; its body is `{ token, name? }`. */
export const ACCEPT_INVITE = 'accept-invite'
