import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { ownCommand } from '#dist/cli/own-command.js'

const ROOT = resolve(import.meta.dirname, '../..')

test('the command we name is the one that runs again here', () => {
  expect(ownCommand({})).toBe('posthorn')
  const under = (npm_config_user_agent: string) => ownCommand({ npm_execpath: '/x', npm_config_user_agent })
  expect(under('npm/11.1.0 node/v24.0.0 linux x64 workspaces/false')).toBe('npx posthorn')
  expect(under('pnpm/10.2.0 npm/? node/v24.0.0 linux x64')).toBe('pnpm exec posthorn')
  expect(under('yarn/4.9.0 npm/? node/v24.0.0 linux x64')).toBe('yarn posthorn')
  expect(under('bun/1.3.0 npm/? node/v24.3.0 linux x64')).toBe('bun run posthorn')
})

test('no page, error or help text sends its reader to the registry, where the name is not ours', () => {
  const compiled = ['cli', 'mcp', 'platform', 'relay', 'sdk', 'testing'].flatMap(folder =>
    readdirSync(join(ROOT, 'dist', folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.js'))
      .map(name => join('dist', folder, name)),
  )
  const page = readdirSync(join(ROOT, 'relay/page')).map(name => join('relay/page', name))
  const asking = [...compiled, ...page].filter(
    file =>
      file !== 'dist/cli/own-command.js' &&
      /\b(npx|bunx|npm exec|npm i(nstall)?( -g)?) posthorn\b/.test(readFileSync(join(ROOT, file), 'utf8')),
  )
  expect(asking).toEqual([])
})
