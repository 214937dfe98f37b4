// What a stretch of load cost: wall time, CPU of the server process and of this one, memory of the server.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

let ticks
/** Clock ticks per second of /proc, 100 on practically every Linux. */
function ticksPerSecond() {
  if (ticks === undefined)
    try {
      ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100
    } catch {
      ticks = 100
    }
  return ticks
}

/** CPU of a process with all its threads since it began, ms. Undefined where there is no /proc, or no such process. */
export function cpuMsOf(pid) {
  if (pid === undefined) return undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name stands in brackets and may hold anything; fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond()
  } catch {
    return undefined
  }
}

/** Resident memory now and at its highest, MB (10^6 bytes). */
export function memoryOf(pid) {
  if (pid === undefined) return undefined
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const kb = name => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN)
    return { rssMb: tenth((kb('VmRSS') * 1024) / 1e6), peakRssMb: tenth((kb('VmHWM') * 1024) / 1e6) }
  } catch {
    return undefined
  }
}

export const tenth = value => Math.round(value * 10) / 10
export const hundredth = value => Math.round(value * 100) / 100

/** Starts measuring; the function it returns tells what the time since then cost, per `operations`. */
export function startMeter(pid) {
  const cpuBefore = cpuMsOf(pid)
  const own = process.cpuUsage()
  const started = performance.now()
  return operations => {
    const seconds = (performance.now() - started) / 1000
    const cpuAfter = cpuMsOf(pid)
    const { user, system } = process.cpuUsage(own)
    const generatorMs = (user + system) / 1000
    return {
      seconds: Math.round(seconds * 1000) / 1000,
      operations,
      perSecond: tenth(operations / seconds),
      ...(cpuBefore === undefined || cpuAfter === undefined
        ? {}
        : {
            serverCpuUsPerOperation: hundredth(((cpuAfter - cpuBefore) * 1000) / operations),
            /** 1 = one core. */
            serverCores: hundredth((cpuAfter - cpuBefore) / 1000 / seconds),
          }),
      generatorCpuUsPerOperation: hundredth((generatorMs * 1000) / operations),
      generatorCores: hundredth(generatorMs / 1000 / seconds),
      ...memoryOf(pid),
    }
  }
}
