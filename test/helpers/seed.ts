/** The seed of this run's random tests: `SEED=…` or fresh. Printed, so that any failure can be repeated. */
export function testSeed(label: string): number {
  const given = Number(process.env['SEED'])
  const seed = Number.isSafeInteger(given) && process.env['SEED'] ? given : Math.floor(Math.random() * 2 ** 31)
  console.log(`${label}: SEED=${seed}`)
  return seed
}
