import { type Cursor, isEpoch, makeEpoch } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { judgeCursor } from '#dist/relay/log/epochs.js'
import { testSeed } from '../helpers/seed.ts'
import { dice } from './dice.ts'

const HISTORIES = Number(process.env['ROUNDS'] ?? 5) * 200

/** A disk as it can be copied away and put back: entries by name (no two writes share one), runs, and what its runs have told. */
interface Disk {
  readonly log: readonly number[]
  readonly runs: readonly { readonly epoch: string; readonly start: number }[]
  readonly told: ReadonlySet<number>
}

/** A position told to some client, with the log that the client knows by it. */
interface Told {
  readonly cursor: Cursor
  readonly log: readonly number[]
}

const seed = testSeed('epochs')

test(`${HISTORIES} random histories of runs, restores and writes: no diverged cursor is accepted, none of this lineage refused`, () => {
  let refused = 0
  let diverged = 0
  for (let history = 0; history < HISTORIES; history += 1) {
    const random = dice(seed + history)
    let disk: Disk = { log: [], runs: [], told: new Set() }
    const backups: Disk[] = [disk]
    const told: Told[] = []
    let entries = 0
    let now = 1_700_000_000_000
    let starts = 0
    const startRun = () => {
      // The clock may stand still or be set back; only the random bits keep runs of the same moment apart.
      now += random.of([0, 1, 50, 100_000, -5_000])
      starts += 1
      const epoch = makeEpoch(
        now,
        starts,
        disk.runs.map(run => run.epoch),
      )
      disk = { ...disk, runs: [...disk.runs, { epoch, start: disk.log.length }] }
    }
    startRun()
    for (let step = random.below(40); step > 0; step -= 1) {
      const action = random.below(10)
      if (action < 4) {
        for (let n = 1 + random.below(3); n > 0; n -= 1) {
          entries += 1
          disk = { ...disk, log: [...disk.log, entries] }
        }
      } else if (action < 7) {
        const seq = random.chance(0.6) ? disk.log.length : random.below(disk.log.length + 1)
        const epoch = disk.runs.at(-1)?.epoch ?? ''
        disk = { ...disk, told: new Set([...disk.told, told.length]) }
        told.push({ cursor: { epoch, seq }, log: disk.log.slice(0, seq) })
      } else if (action === 7) {
        startRun()
      } else if (action === 8) {
        backups.push(disk) // while running, as a copy of a live or killed relay
      } else {
        disk = random.of(backups)
        startRun()
      }
    }
    const last = disk.log.length
    for (const [index, { cursor, log }] of told.entries()) {
      const verdict = judgeCursor(disk.runs, last, cursor)
      const same = (upTo: number) => log.slice(0, upTo).every((entry, n) => entry === disk.log[n])
      const about = `seed ${seed + history}, cursor ${JSON.stringify(cursor)}`
      if (verdict.known) expect(cursor.seq <= last && same(cursor.seq), about).toBe(true)
      if (disk.told.has(index)) expect(verdict, about).toEqual({ known: true })
      if (!same(cursor.seq) || cursor.seq > last) diverged += 1
      if (verdict.known) continue
      refused += 1
      if (verdict.ahead) continue // only a log that lost what this very run had told; the next start finds out
      expect(verdict.common <= Math.min(cursor.seq, last) && same(verdict.common), about).toBe(true)
      expect(judgeCursor(disk.runs, last, { ...cursor, seq: verdict.common }), about).toEqual({ known: true })
    }
    expect(told.filter((_, index) => disk.told.has(index)).every(({ cursor }) => cursor.seq <= last)).toBe(true)
  }
  // The game must have been worth playing.
  expect(refused).toBeGreaterThan(HISTORIES / 4)
  expect(diverged).toBeGreaterThan(HISTORIES / 10)
})

describe('judgeCursor', () => {
  const runs = [
    { epoch: 'a'.repeat(16), start: 0 },
    { epoch: 'b'.repeat(16), start: 10 },
    { epoch: 'c'.repeat(16), start: 10 },
  ]
  test.each([
    ['a', 10, { known: true }],
    ['a', 11, { known: false, ahead: false, common: 10 }],
    ['b', 10, { known: true }],
    ['b', 11, { known: false, ahead: false, common: 10 }],
    ['c', 12, { known: true }],
    ['c', 13, { known: false, ahead: true }],
    ['d', 1, { known: false, ahead: false, common: 0 }],
    ['d', 0, { known: true }],
  ])('%s at %i', (letter, seq, verdict) => {
    expect(judgeCursor(runs, 12, { epoch: letter.repeat(16), seq })).toEqual(verdict)
  })
})

test('makeEpoch is above every epoch before it, whatever the clock says', () => {
  let epochs: string[] = []
  for (const now of [1e12, 1e12, 5, 0, -7, 2 ** 40, 1.5]) {
    const epoch = makeEpoch(now, 0xffff, epochs)
    expect(isEpoch(epoch)).toBe(true)
    for (const before of epochs) expect(epoch > before).toBe(true)
    epochs = [epoch, ...epochs]
  }
})
