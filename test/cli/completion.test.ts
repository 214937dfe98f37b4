import { describe, expect, test } from 'vitest'
import { fitting, type LocalWords } from '#dist/cli/completion/words.js'
import { VERBS } from '#dist/cli/verbs/index.js'

const asked: unknown[] = []
const local: LocalWords = (kind, profile) => {
  asked.push([kind, profile])
  return kind === 'who' ? [{ word: 'bob', help: 'npub1…' }] : [{ word: `some-${kind}`, help: '' }]
}
const complete = async (...line: string[]) => {
  const answer = await fitting(line, local)
  return typeof answer === 'string' ? answer : answer.map(({ word }) => word)
}

describe('what fits where the last word is typed', () => {
  test.each([
    [['se'], ['send']],
    [['co'], ['contact', 'count', 'completion']],
    [
      ['card', ''],
      ['show', 'set', 'publish'],
    ],
    [['relay', 'ch'], ['check']],
    [['relay', '--metr'], ['--metrics']],
    [['relay', 'top', '--metr'], ['--metrics']],
    [['send', ''], ['bob']],
    [['send', 'b'], ['bob']],
    [['send', 'x'], []],
    [['send', '--act', 'qu'], ['query']],
    [['send', '--wr'], ['--wrap']],
    [['mark', '3f9c2a71', 'd'], ['done']],
    [['read', ''], ['some-message']],
    [['publish', '--kind', ''], []],
    [['relay', '--data', ''], 'folders'],
    [['relay', 'check', ''], 'files'],
    [['watch', '--act', 'request', '--act', 're'], ['request']],
    [
      ['help', 'card', 's'],
      ['show', 'set'],
    ],
    [
      ['whoami', ''],
      ['--as', '--home', '--json', '--quiet', '--no-color', '--help'],
    ],
    [['nonsense', ''], []],
    [['constructor', ''], []],
    [['send', '--relay'], ['--relay']],
  ])('%j', async (line, expected) => {
    expect(await complete(...line)).toEqual(expected)
  })

  test('an option once given is not offered again, unless it may be repeated', async () => {
    expect(await complete('send', '--public', '--act', 'query', '-')).not.toContain('--public')
    expect(await complete('send', '--relay', 'ws://one', '-')).toContain('--relay')
  })

  test('the profile already named is the one that is looked into', async () => {
    asked.length = 0
    await complete('send', '--as', 'bob', '')
    await complete('read', '--home', '/x', '')
    expect(asked).toEqual([
      ['who', { as: 'bob' }],
      ['message', { home: '/x' }],
    ])
  })

  test('every verb can be completed to, word by word', async () => {
    for (const verb of Object.keys(VERBS)) {
      const words = verb.split(' ')
      for (const [n, word] of words.entries()) expect(await complete(...words.slice(0, n), word)).toContain(word)
    }
  })
})
