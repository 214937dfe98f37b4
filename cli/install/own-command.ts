import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

const NPM_FOLDER = /[\\/]node_modules[\\/]\.bin[\\/]?$/
const NPX_FOLDER = /[\\/]_npx[\\/]/

/**
 * How hosts are to start us, `script` being how we were started. By name where every shell finds it, so that the file suits other
 * machines and later versions, too; by npx if it fetched us; else by the file itself. Folders that npm puts on the path of what
 * it runs are not there later. In a checkout npx only links to the folder: by name it would then fetch whatever is published.
 */
export function ownCommand(path: string | undefined, script: string): readonly string[] {
  const folders = (path ?? '').split(delimiter).filter(folder => isAbsolute(folder) && !NPM_FOLDER.test(folder))
  if (folders.some(folder => isProgram(join(folder, 'posthorn')))) return ['posthorn']
  const file = realFile(script)
  return NPX_FOLDER.test(file) ? ['npx', '-y', 'posthorn'] : [process.execPath, file]
}

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
