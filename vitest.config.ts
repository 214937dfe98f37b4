import { defineConfig } from 'vitest/config'

// Tests import what ships (`posthorn`, `posthorn/relay`, `#dist/…` → dist/). Node loads it natively, untransformed:
// the relay starts its threads from `new URL('./x.js', import.meta.url)`.
const reportFile = process.env['POSTHORN_TEST_REPORT']

// These collect what their modules register, or trace the process: each file gets one of its own. All others share workers,
// which halves the cost of starting nearly a hundred files.
const ALONE = ['test/conformance/**/*.test.ts']
// Longer, or with more than Node: scripts of their own (`test:abuse`, `test:bench`, `test:cli`, `test:docs`, `test:drill`, `test:power`, `test:long`, `test:install`, `test:mcp`, `test:packed`), all but the long one run by CI.
const ELSEWHERE = [
  // Packages that `test:interop` and `test:hosts` install below their folders bring tests of their own.
  '**/node_modules/**',
  'test/long/**',
  'test/install/**',
  'test/packed/**',
  ...(process.env['TEST_ABUSE']
    ? []
    : ['test/adversary/**', 'test/fuzz/**', 'test/crash/{faults,kill,rewind}.test.ts']),
  ...(process.env['TEST_BENCH'] ? [] : ['test/bench/quick.test.ts']),
  ...(process.env['TEST_CLI'] ? [] : ['test/cli/{demo,relay,relay-reload}.test.ts', 'test/cli/user/**']),
  ...(process.env['TEST_DRILL'] ? [] : ['test/crash/drill.test.ts']),
  ...(process.env['TEST_MCP'] ? [] : ['test/mcp/{conformance,hosts,http,processes,resources,tools}.test.ts']),
  ...(process.env['TEST_HOSTS'] ? [] : ['test/hosts/**']),
  ...(process.env['TEST_DOCS'] ? [] : ['test/docs/blocks.test.ts']),
  ...(process.env['TRACED_EVENTS'] ? [] : ['test/crash/power-loss.test.ts']),
]

export default defineConfig({
  test: {
    pool: 'forks',
    // More than the cores of a small machine: many tests wait more than they work.
    maxWorkers: 5,
    globalSetup: process.env['TEST_CLI'] ? ['test/cli/user/pack.ts'] : [],
    setupFiles: ['test/helpers/warm-threads.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A busy machine is no failure; what never comes fails by the test's own limit.
    expect: { poll: { timeout: 15_000 } },
    server: { deps: { external: [/\/dist\//] } },
    reporters: reportFile === undefined ? ['default'] : ['default', ['json', { outputFile: reportFile }]],
    projects: [
      {
        extends: true,
        test: { name: 'shared', include: ['test/**/*.test.ts'], exclude: [...ELSEWHERE, ...ALONE], isolate: false },
      },
      { extends: true, test: { name: 'alone', include: ALONE } },
    ],
  },
})
