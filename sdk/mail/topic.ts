/** True if `topic` is one of `prefixes` or below one, level by level: `builds` has `builds/linux`, not `buildsystem`. */
export const isWithin = (topic: string | undefined, prefixes: readonly string[]): boolean =>
  topic !== undefined && prefixes.some(prefix => topic === prefix || topic.startsWith(`${prefix}/`))
