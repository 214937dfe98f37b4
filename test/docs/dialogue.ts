import { setTimeout as delay } from 'node:timers/promises'
import type { EventTemplate, NostrEvent } from 'posthorn/protocol'
import { expect } from 'vitest'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import type { ManualTime } from '../relay/relay-on-test.ts'
import { connect, type Wire } from '../relay/wire.ts'

/** What a dialogue stands on: a fresh relay and a clock that it moves. */
export interface Stage {
  readonly url: string
  readonly time: ManualTime
  /** Open connections, as the relay counts them. */
  connections(): number
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * Replays an example of docs/protocol.md: `ada> [...]` is sent on ada's connection, `ada< [...]` must be the next frame there.
 * `$name` stands for a value: bound where it first occurs in a relay's frame, compared from then on; `$event` and `$event.id` are
 * signed by whoever sends it, from the templates of the block of events. Other lines: `ada leaves` (1000), `ada is lost`, `30 s pass`.
 */
export async function replay(script: string, events: Readonly<Record<string, Json>>, stage: Stage): Promise<void> {
  const values = new Map<string, Json>([['relay', stage.url]])
  const wires = new Map<string, Wire>()
  const people = new Map<string, Person>()
  const personNamed = (name: string): Person => {
    const known = people.get(name) ?? person(`dialogue ${name}`)
    people.set(name, known)
    values.set(name, known.pubkey)
    return known
  }
  const wireOf = async (name: string): Promise<Wire> => {
    personNamed(name)
    const known = wires.get(name)
    if (known !== undefined) return known
    const wire = await connect(stage.url)
    values.set('challenge', wire.challenge)
    wires.set(name, wire)
    return wire
  }
  const fill = (value: Json, signer: Person): Json => {
    if (typeof value === 'string') {
      const name = /^\$(\w+)$/.exec(value)?.[1]
      if (name !== undefined && name in events) sign(name, signer)
      if (name !== undefined && values.has(name)) return values.get(name) ?? null
      return value.replace(/\$(\w+)(\.id)?/g, (_, inner: string, id?: string) => {
        if (inner in events) sign(inner, signer)
        const filled = values.get(inner)
        return String(id === undefined ? filled : (filled as unknown as NostrEvent).id)
      })
    }
    if (Array.isArray(value)) return value.map(item => fill(item as Json, signer))
    if (value !== null && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item as Json, signer)]))
    return value
  }
  const sign = (name: string, signer: Person): void => {
    if (values.has(name)) return
    const { after = 0, ...template } = events[name] as {
      readonly after?: number
      readonly [key: string]: Json | undefined
    }
    const filled = fill(template as Json, signer) as unknown as Partial<EventTemplate>
    values.set(name, signer.sign({ ...filled, created_at: nowSeconds() + after }) as unknown as Json)
  }
  /** Compares, binding names that have no value yet. */
  const meet = (expected: Json, told: unknown, where: string): void => {
    if (typeof expected === 'string') {
      const pattern = expected.split(/(\$\w+(?:\.id)?|…)/)
      if (pattern.length === 3 && pattern[0] === '' && pattern[2] === '' && typeof told !== 'string') {
        const name = pattern[1]?.slice(1) ?? ''
        if (!values.has(name)) values.set(name, told as Json)
        return expect(told, where).toEqual(values.get(name))
      }
      const names: string[] = []
      const source = pattern
        .map(part => {
          if (part === '…') return '.*'
          const [, name, id] = /^\$(\w+?)(\.id)?$/.exec(part) ?? []
          if (name === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
          const value = values.get(name)
          if (value !== undefined) return id === undefined ? String(value) : (value as unknown as NostrEvent).id
          names.push(name)
          return '(.+?)'
        })
        .join('')
      const found = new RegExp(`^${source}$`).exec(String(told))
      expect(found, `${where}: ${JSON.stringify(expected)} and ${JSON.stringify(told)}`).not.toBeNull()
      for (const [index, name] of names.entries()) values.set(name, found?.[index + 1] ?? '')
    } else if (Array.isArray(expected)) {
      expect(Array.isArray(told) ? told.length : told, `${where}: ${JSON.stringify(told)}`).toBe(expected.length)
      for (const [index, item] of expected.entries()) meet(item as Json, (told as unknown[])[index], where)
    } else expect(told, where).toEqual(expected)
  }

  for (const [, name = ''] of script.matchAll(/^(\w+)[<>] /gm)) personNamed(name)
  for (const line of script.split('\n').map(text => text.trim())) {
    if (line === '') continue
    const [, name = '', direction, frame = ''] = /^(\w+)([<>]) (.*)$/.exec(line) ?? []
    if (direction === '>') {
      const wire = await wireOf(name)
      wire.sendText(JSON.stringify(fill(JSON.parse(frame) as Json, personNamed(name))))
    } else if (direction === '<') {
      const wire = await wireOf(name)
      const expected = JSON.parse(frame) as Json[]
      if (expected[0] === 'AUTH') meet(expected, ['AUTH', wire.challenge], line)
      else meet(expected, await wire.next(), line)
    } else if (/^\w+ (leaves|is lost)$/.test(line)) {
      const [who = '', what] = line.split(' ')
      const before = stage.connections()
      const wire = wires.get(who)
      if (what === 'leaves') wire?.socket.close(1000)
      else wire?.socket.terminate()
      wires.delete(who)
      await expect.poll(() => stage.connections()).toBe(before - 1)
    } else if (/^\d+ s pass$/.test(line)) {
      await stage.time.advance(Number.parseInt(line, 10) * 1000)
      await delay(50)
    } else throw new Error(`not a line of a dialogue: ${line}`)
  }
  for (const wire of wires.values()) wire.socket.terminate()
}
