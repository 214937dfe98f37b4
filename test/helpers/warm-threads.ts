import { keepIdleThreads } from '#dist/relay/log/sqlite/rpc.js'

// A test file opens and closes dozens of logs; the threads under them are real, but started once a process.
keepIdleThreads(4)
