import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../../..')

/** Once for all files of `npm run test:cli`: the package as it is published, unpacked; its dependencies are the checkout's. */
export default function setup(): () => void {
  const work = mkdtempSync(join(tmpdir(), 'posthorn-user-'))
  const options = { cwd: ROOT, encoding: 'utf8' as const, stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[] }
  const [packed] = Object.values(
    JSON.parse(
      execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], options),
    ) as Record<string, { filename: string }>,
  )
  execFileSync('tar', ['-xzf', join(work, packed?.filename ?? ''), '-C', work])
  // What the package bundles is tried by the packed install and by `test:install`.
  rmSync(join(work, 'package', 'node_modules'), { recursive: true, force: true })
  symlinkSync(join(ROOT, 'node_modules'), join(work, 'package', 'node_modules'), 'dir')
  mkdirSync(join(work, 'bin'))
  symlinkSync('../package/dist/cli/posthorn.js', join(work, 'bin', 'posthorn'))
  process.env['POSTHORN_PACKED'] = work
  return () => rmSync(work, { recursive: true, force: true })
}
