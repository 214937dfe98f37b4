// Takes the lock of a folder when it is told to, at the moment it is told: for two of these to do so at once.
import { acquireLock } from '../../dist/platform/lock.js'

let release
process.on('message', ({ folder, at }) => {
  if (folder === undefined) {
    release?.()
    release = undefined
    process.send('free')
    return
  }
  while (performance.timeOrigin + performance.now() < at);
  try {
    release = acquireLock(folder)
    process.send('held')
  } catch (error) {
    process.send(error.code)
  }
})
process.send('ready')
