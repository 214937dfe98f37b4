/**
 * What a member may: `read` alone; `write`; `snapshot` folds what everybody wrote into one state, whose readers have its word for it;
 * `admin` decides who is a member. Each may what those before it may.
 */
export const ROLES = ['read', 'write', 'snapshot', 'admin'] as const
export type Role = (typeof ROLES)[number]

export const isRole = (value: unknown): value is Role => ROLES.some(role => role === value)

/** Whether a member's role (undefined: no member) lets it do what `needed` is about. */
export const may = (role: Role | undefined, needed: Role): boolean =>
  role !== undefined && ROLES.indexOf(role) >= ROLES.indexOf(needed)
