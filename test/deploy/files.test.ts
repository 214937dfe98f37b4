import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { validate } from 'dockerfile-utils'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseVerbArgs } from '#dist/cli/args.js'
import { settingLayers } from '#dist/cli/setting-layers.js'
import { RELAY_SETTINGS } from '#dist/cli/verbs/index.js'
import { METRICS } from '#dist/relay/metrics/table.js'
import { person } from '../helpers/events.ts'
import { BLUEPRINT_SCHEMA } from './blueprint-schema.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const read = (name: string): string => readFileSync(join(ROOT, 'deploy', name), 'utf8')
const KNOWN = new Set(
  Object.values(RELAY_SETTINGS).flatMap(option => ('env' in option ? [...option.env] : [])) as string[],
)

/** What `posthorn relay` makes of these variables. Throws for one that it would refuse. */
const relayWith = async (env: Record<string, string>) =>
  parseVerbArgs('relay', [], await settingLayers('relay', [], env)).options

interface Blueprint {
  readonly services: readonly [
    {
      readonly startCommand: string
      readonly healthCheckPath: string
      readonly disk: { readonly mountPath: string }
      readonly envVars: readonly { readonly key: string; readonly value?: string; readonly sync?: false }[]
    },
  ]
}

describe('deploy/render.yaml', () => {
  const blueprint = parse(read('render.yaml')) as Blueprint
  const [service] = blueprint.services

  test('is a Blueprint', () => {
    const published = process.env['RENDER_SCHEMA']
    const schema = published === undefined ? BLUEPRINT_SCHEMA : JSON.parse(readFileSync(published, 'utf8'))
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    const holds = ajv.compile(schema)
    expect(holds(blueprint), ajv.errorsText(holds.errors)).toBe(true)
    expect(holds({ services: [{ ...service, disks: [] }] })).toBe(false)
    expect(holds({ services: [{ ...service, healthCheckPath: 'healthz' }] })).toBe(false)
  })

  test('is a relay for members, on the disk, that anybody can reach', async () => {
    const env = Object.fromEntries(
      service.envVars.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value]])),
    )
    const options = await relayWith({ ...env, PORT: '10000', RENDER_EXTERNAL_URL: 'https://x.onrender.com' })
    expect(options).toMatchObject({
      host: '0.0.0.0',
      port: 10_000,
      members: true,
      'public-url': ['https://x.onrender.com'],
    })
    expect(options.data?.startsWith(`${service.disk.mountPath}/`)).toBe(true)
    const asked = service.envVars.filter(({ sync }) => sync === false).map(({ key }) => key)
    expect(asked).toEqual(['POSTHORN_OWNER'])
    for (const { key } of service.envVars) if (key.startsWith('POSTHORN_')) expect(KNOWN).toContain(key)
  })

  test('starts what is built', () => {
    const [program, file, verb] = service.startCommand.split(' ')
    expect([program, verb]).toEqual(['node', 'relay'])
    expect(existsSync(join(ROOT, file ?? ''))).toBe(true)
  })
})

describe('deploy/Dockerfile', () => {
  const text = read('Dockerfile')

  test('is one, without warnings', () => {
    expect(validate(text)).toEqual([])
    expect(validate('FROM node\nHEALTHCHECK --intervall=3s CMD x\n')).not.toEqual([])
  })

  test('ends as an unprivileged user, with every variable known to the relay', async () => {
    const last = text.slice(text.lastIndexOf('\nFROM '))
    expect(last.indexOf('\nUSER node')).toBeGreaterThan(last.lastIndexOf('\nRUN '))
    const set = [...last.matchAll(/(POSTHORN_\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value] as const)
    expect(set.map(([name]) => name)).toEqual(['POSTHORN_HOST', 'POSTHORN_PORT', 'POSTHORN_DATA'])
    expect(await relayWith(Object.fromEntries(set))).toMatchObject({ host: '0.0.0.0', port: 7678, data: '/data' })
  })

  const through = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter(line => line.startsWith('!'))
    .map(line => line.slice(1))
  const { files, scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    files: string[]
    scripts: { prepare: string }
  }

  test('.dockerignore lets through all that the package is made of', () => {
    const missing = files.filter(
      name => !name.startsWith('dist/') && !through.includes(name) && !through.includes(name.split('/')[0] ?? ''),
    )
    expect(missing).toEqual([])
  })

  test('.dockerignore lets through what runs when it is installed', () => {
    const needed = [scripts.prepare.replace(/^node /, '')]
    for (const script of needed) {
      const source = readFileSync(join(ROOT, script), 'utf8')
      for (const [, name = ''] of source.matchAll(/(?:import\(|from |import )'(\.[^']+)'/g))
        if (!name.startsWith('../dist/')) needed.push(join(dirname(script), name))
    }
    expect(needed.length).toBeGreaterThan(1)
    expect(needed.filter(script => !through.includes(script))).toEqual([])
  })
})

describe('deploy/compose.yaml', () => {
  const { services } = parse(read('compose.yaml')) as {
    services: { relay: { environment: Record<string, string> }; proxy: { environment: Record<string, string> } }
  }

  test('says nothing the relay does not know', async () => {
    const env = services.relay.environment
    for (const name of Object.keys(env)) expect(KNOWN).toContain(name)
    const filled = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [
        name,
        value.replace(/\$\{\w+:-(.*?)\}/g, '$1').replace(/\$\{.*?\}/g, person('owner').pubkey),
      ]),
    )
    expect(await relayWith(filled)).toMatchObject({ members: true, 'trusted-proxy': ['private'] })
  })

  test('gives the proxy every variable that its file uses', () => {
    const used = [...read('Caddyfile').matchAll(/\{\$(\w+)/g)].map(([, name]) => name)
    expect(new Set(used)).toEqual(new Set(Object.keys(services.proxy.environment)))
  })
})

describe('deploy/posthorn.service', () => {
  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

  test.skipIf(!hasSystemd)('systemd takes it as it is, and calls its exposure low', () => {
    const unit = join(ROOT, 'deploy/posthorn.service')
    expect(spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' }).stderr).toBe('')
    const report = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', unit], {
      encoding: 'utf8',
    })
    expect(Number(/Overall exposure level for posthorn.service: ([\d.]+)/.exec(report)?.[1])).toBeLessThan(2)
  })
})

describe('what looks at metrics', () => {
  /** Names of series in a query; histograms by the series they are made of. */
  const series = (query: string) => query.match(/\b(?:posthorn|process|nodejs)_\w+/g) ?? []
  const known = new Set([
    ...Object.entries(METRICS).flatMap(([name, { type }]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
    // Of prom-client itself.
    'process_resident_memory_bytes',
    'nodejs_heap_size_used_bytes',
  ])

  test('every query of the dashboard names a metric that exists, no two panels overlap', () => {
    const { panels } = JSON.parse(read('grafana.json')) as {
      panels: { id: number; targets: { expr: string }[]; gridPos: { x: number; y: number; w: number; h: number } }[]
    }
    const names = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => series(expr)))
    expect(names.length).toBeGreaterThan(15)
    expect(names.filter(name => !known.has(name))).toEqual([])
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })

  test('and so does every alert, each with what to do', () => {
    const { groups } = parse(read('alerts.yaml')) as {
      groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[]
    }
    for (const { alert, expr, annotations } of groups.flatMap(({ rules }) => rules)) {
      expect(series(expr).length, alert).toBeGreaterThan(0)
      for (const name of series(expr)) expect(known, alert).toContain(name)
      expect(annotations.summary).toContain('$labels.instance')
    }
  })

  const hasPromtool = spawnSync('promtool', ['--version']).status === 0
  test.skipIf(!hasPromtool)('promtool takes the alerts', () => {
    const { status, stderr } = spawnSync('promtool', ['check', 'rules', join(ROOT, 'deploy/alerts.yaml')], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })
})
