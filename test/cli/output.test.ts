import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { createOutput, type OutputOptions } from '#dist/cli/output.js'

function terminal(isTTY: boolean) {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      done()
    },
  })
  return Object.assign(stream, { isTTY, text: () => text })
}

function output(
  options: Partial<Pick<OutputOptions, 'env' | 'json' | 'quiet' | 'noColor'>> = {},
  tty = { out: true, err: true },
) {
  const [stdout, stderr] = [terminal(tty.out), terminal(tty.err)]
  const out = createOutput({ stdout, stderr, env: {}, json: false, quiet: false, noColor: false, ...options })
  return { out, stdout, stderr }
}

test.each([
  ['a terminal', {}, true],
  ['NO_COLOR', { env: { NO_COLOR: '1' } }, false],
  ['an empty NO_COLOR means nothing', { env: { NO_COLOR: '' } }, true],
  ['TERM=dumb', { env: { TERM: 'dumb' } }, false],
  ['--no-color', { noColor: true }, false],
] as const)('colour: %s', (_name, options, coloured) => {
  const { out } = output(options)
  expect(out.paint.green('x') !== 'x').toBe(coloured)
  expect(out.paintTalk.red('x') !== 'x').toBe(coloured)
})

test('stdout and stderr are looked at separately', () => {
  const { out } = output({}, { out: false, err: true })
  expect(out.paint.green('x')).toBe('x')
  expect(out.paintTalk.red('x')).not.toBe('x')
})

test('results on stdout, talk and errors on stderr; --quiet silences talk alone', () => {
  const { out, stdout, stderr } = output({ quiet: true }, { out: false, err: false })
  out.say('talk')
  out.result('a result', { n: 1 })
  out.fail('send', new Error('no \u001b[2Jway'), 'try this')
  expect(stdout.text()).toBe('a result\n')
  expect(stderr.text()).toBe('posthorn send: no \\x1b[2Jway\n  try this\n')
})

test('--json: one object a line with its version', () => {
  const { out, stdout, stderr } = output({ json: true })
  out.result('for people', { n: 1 })
  out.fail('send', Object.assign(new Error('x'), { code: 'some-code' }))
  out.fail('send', new Error('y'))
  expect(stdout.text()).toBe('{"v":1,"n":1}\n')
  expect(
    stderr
      .text()
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
  ).toEqual([
    { v: 1, error: { code: 'some-code', message: 'x' } },
    { v: 1, error: { code: 'unexpected', message: 'y' } },
  ])
})

test('what a command forgot to write out is caught on its way: nothing but our own styles reaches a terminal', () => {
  const hostile = 'a\u001b[2J\u202e\u00ad\u009b31m\u001b[41mb'
  for (const [tty, env] of [
    [true, {}],
    [true, { NO_COLOR: '1' }],
    [false, {}],
  ] as const) {
    const { out, stdout, stderr } = output({ env }, { out: tty, err: tty })
    out.result(out.paint.green(hostile), {})
    out.say(hostile)
    const written = 'a\\x1b[2J\\u{202e}\\xad\\x9b31m\\x1b[41mb'
    expect(stdout.text()).toBe(`${out.paint.green(written)}\n`)
    expect(stderr.text()).toBe(`${written}\n`)
  }
})
