import { defineConfig } from 'vitest/config'

// Tests import what ships (`posthorn`, `posthorn/relay`, `#dist/…` → dist/). Node loads it natively, untransformed:
// the relay starts its threads from `new URL('./x.js', import.meta.url)`.
const reportFile = process.env['POSTHORN_TEST_REPORT']

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/long/**', 'test/packed/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    server: { deps: { external: [/\/dist\//] } },
    reporters: reportFile === undefined ? ['default'] : ['default', ['json', { outputFile: reportFile }]],
  },
})
