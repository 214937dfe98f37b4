import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

const NPM_FOLDER = /[\\/]node_modules[\\/]\.bin[\\/]?$/
const NPX_FOLDER = /[\\/]_npx[\\/]/

/**
 * How hosts are to start us, `script` being how we were started. By name where every shell finds it, and by `npx` where the project
 * depends on us or npx fetched us: both suit other machines and later versions. Else by the file itself, which only this machine
 * has (see `isPortable`). Folders that npm puts on the path of what it runs are not there later. In a checkout npx only links to
 * the folder: by name it would then fetch whatever is published.
 *
 * @param project the folder whose configuration is written; undefined for that of a user
 */
export function ownCommand(path: string | undefined, script: string, project?: string): readonly string[] {
  const folders = (path ?? '').split(delimiter).filter(folder => isAbsolute(folder) && !NPM_FOLDER.test(folder))
  if (folders.some(folder => isProgram(join(folder, 'posthorn')))) return ['posthorn']
  // Started through node_modules/.bin, which may be a link to a store or a workspace elsewhere.
  if (project !== undefined && isProgram(join(project, 'node_modules', '.bin', 'posthorn')))
    return ['npx', '--no', 'posthorn']
  const file = realFile(script)
  return NPX_FOLDER.test(file) ? ['npx', '-y', 'posthorn'] : [process.execPath, file]
}

/** False: it names a file of this machine. */
export const isPortable = ([program = '']: readonly string[]): boolean => !isAbsolute(program)

function realFile(script: string): string {
  try {
    return realpathSync(script)
  } catch {
    return script
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
