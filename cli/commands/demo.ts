import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command, Context } from '../context.ts'
import { createNursery } from '../demo/children.ts'
import { createClaims } from '../demo/claims.ts'
import { enterOn } from '../demo/pause.ts'
import type { Figures } from '../demo/scenes/wake.ts'
import { tell } from '../demo/story.ts'
import { EXIT } from '../exit-codes.ts'
import { bytesText, columns } from '../text.ts'

/** Messages that wait for the sleeper. */
const WAITING = 200

/** What to type now. */
const NEXT = [
  ['posthorn relay', 'a relay of your own, at ws://localhost:7678; leave it running'],
  ['posthorn init --as ada && posthorn init --as bob', 'two profiles'],
  ['posthorn send bob "report is ready" --as ada', 'bob need not run'],
  ['posthorn inbox --as bob', 'whenever he looks'],
  ['posthorn install --host claude-code --dry-run', 'mail for a coding agent, and what wakes it'],
  ['posthorn help', 'everything else'],
] as const

/** At a terminal a reader sets the pace. */
function pauseOf({ out, options, stdinIsTerminal, stdin, stderr, signal }: Context<'demo'>) {
  if (!out.interactive || !stdinIsTerminal || options.fast) return undefined
  return () => enterOn(stdin, stderr, `\n  ${out.paintTalk.dim('Enter goes on')} `, signal)
}

/** `posthorn demo`: the whole promise in one terminal. Exit 0 only if every claim was checked and held. */
export const demo: Command<'demo'> = async context => {
  const { out, clock, timers, signal } = context
  const start = clock.monotonic()
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-demo-'))
  const nursery = createNursery()
  const claims = createClaims(out, pauseOf(context))
  const cleanUp = () => {
    nursery.killAll()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  // Also when a second Ctrl-C ends the process on the spot.
  process.once('exit', cleanUp)
  let wake: Figures | undefined
  try {
    wake = await tell({ waiting: WAITING, folder, nursery, claims, clock, timers, signal })
  } catch (error) {
    // A failed claim has been printed with what was seen; anything else is not the story's to explain.
    if (!signal.aborted && claims.made.every(claim => claim.ok)) throw error
  } finally {
    cleanUp()
    process.off('exit', cleanUp)
  }
  if (signal.aborted) return EXIT.interrupted
  const ms = Math.round(clock.monotonic() - start)
  const failed = claims.made.filter(claim => !claim.ok).length
  const verdict =
    wake === undefined
      ? `${out.paint.red('It did not hold.')} ${failed} of ${claims.made.length} claims failed; the tour ended there.`
      : [
          `Waking cost ${wake.events} events, ${bytesText(wake.bytes)} and ${wake.ms} ms; ${wake.totalMs} ms from starting his process to the last message done.`,
          `All ${claims.made.length} claims held, checked in ${(ms / 1000).toFixed(1)} s.`,
          '',
          out.paint.bold('Next, by hand'),
          ...columns(NEXT),
        ].join('\n')
  out.result(`\n${verdict}`, {
    ok: wake !== undefined,
    claims: claims.made,
    ...(wake === undefined ? {} : { wake }),
    ms,
  })
  return wake === undefined ? EXIT.failure : EXIT.ok
}
