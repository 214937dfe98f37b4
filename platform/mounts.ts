import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

/** A mounted file system, as Linux tells it in /proc/self/mountinfo (proc(5)). */
export interface Mount {
  readonly path: string
  /** ext4, overlay, tmpfs … */
  readonly type: string
}

/** The mount that holds an absolute path; undefined where the system does not tell (anything but Linux). */
export function mountOf(path: string, file = '/proc/self/mountinfo'): Mount | undefined {
  let table: string
  try {
    table = readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  let best: Mount | undefined
  // Of equals the later one lies on top.
  for (const mount of parseMounts(table))
    if (holds(mount.path, path) && (best === undefined || mount.path.length >= best.path.length)) best = mount
  return best
}

function* parseMounts(table: string): Generator<Mount> {
  for (const line of table.split('\n')) {
    const [left, right] = line.split(' - ')
    const path = left?.split(' ')[4]
    const type = right?.split(' ')[0]
    if (path !== undefined && type !== undefined)
      yield {
        path: path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
        type,
      }
  }
}

const holds = (mount: string, path: string): boolean => {
  const below = relative(mount, path)
  return below === '' || (below !== '..' && !below.startsWith('../'))
}
