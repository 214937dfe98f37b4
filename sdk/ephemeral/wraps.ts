/** Who sent a wrap is known only when it was opened, which is work; so all of them together have one rate. */
export const WRAPS = 'wraps'
