/** Tells on stderr what runs and how long it may still take. */
export function createProgress(stages, write = text => process.stderr.write(text)) {
  const total = stages.reduce((sum, { seconds }) => sum + seconds, 0)
  const started = performance.now()
  let done = 0
  return {
    begin(stage, index) {
      const spent = (performance.now() - started) / 1000
      // Corrected by how the guesses have held so far, once there is something to go by.
      const pace = done > 5 ? spent / done : 1
      const left = Math.ceil(((total - done) * pace) / 60)
      const round = stage.round > 0 ? `, round ${stage.round + 1}` : ''
      write(
        `[${index + 1}/${stages.length}] ${stage.target.name}${round}: ${left < 2 ? 'a minute or two' : `about ${left} minutes`} left\n`,
      )
    },
    scenario: name => write(`    ${name} …\n`),
    figure(name, result) {
      const { perSecond, unit, latencyMs, serverCpuUsPerOperation } = result
      const parts = [
        perSecond === undefined ? '' : `${Math.round(perSecond).toLocaleString('en')} ${unit}`,
        latencyMs === undefined ? '' : `p50 ${latencyMs.p50} p99 ${latencyMs.p99} ms`,
        serverCpuUsPerOperation === undefined ? '' : `${serverCpuUsPerOperation} µs CPU each`,
        result.startMs === undefined ? '' : `listening after ${result.startMs} ms`,
        result.coldMs === undefined ? '' : `cold ${result.coldMs} ms`,
        result.connections === undefined ? '' : `${result.connections} connections, ${result.rssMb ?? '?'} MB`,
      ]
      write(`      ${name}: ${parts.filter(part => part !== '').join(', ')}\n`)
    },
    problem: text => write(`      ! ${text}\n`),
    end(stage) {
      done += stage.seconds
    },
    say: text => write(`${text}\n`),
  }
}
