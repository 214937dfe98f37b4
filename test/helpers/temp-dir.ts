import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** An empty folder that is removed after the running test. */
export function tempDir(): string {
  const path = makeTempDir()
  onTestFinished(() => removeDir(path))
  return path
}

/** For fixtures that outlive one test; remove it yourself. */
export const makeTempDir = (): string => mkdtempSync(join(tmpdir(), 'posthorn-test-'))
export const removeDir = (path: string): void => rmSync(path, { recursive: true, force: true, maxRetries: 3 })
