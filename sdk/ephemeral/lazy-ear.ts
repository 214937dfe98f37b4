import { loadSeldom } from '../load-seldom.ts'
import type { Ear, EarOptions } from './ear.ts'

export { WRAPS } from './wraps.ts'

/** An ear that is loaded when a program first listens; most never do. Where it cannot be fetched, the next change tries again. */
export function lazyEar(options: EarOptions): Ear {
  let ear: Ear | undefined
  let wants: Parameters<Ear['listen']> = [false, []]

  return {
    listen(...now) {
      wants = now
      if (ear) ear.listen(...wants)
      else if (wants[0])
        loadSeldom().then(
          ({ createEar }) => {
            ear ??= createEar(options)
            ear.listen(...wants)
          },
          () => {},
        )
    },
    close() {
      wants = [false, []]
      ear?.close()
    },
  }
}
