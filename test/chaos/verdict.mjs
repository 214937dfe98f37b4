import { isMessage } from './log.mjs'

const tag = (event, name) => event.tags.find(([key]) => key === name)?.[1]
const short = id => id.slice(0, 8)
const counted = values => {
  const counts = new Map()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

/**
 * What must hold at rest: every promised message is at a relay; every message of any relay is with its recipient once, worked on,
 * answered once, and its sender knows so, from receipts of that recipient; an ended message was never worked on again.
 * `mail`: what the relays have, by id. `promised`, `runs`: the journals. `reports`: what each agent says, by public key.
 */
export function judge({ people, mail, promised, runs, reports, lives }) {
  const problems = []
  const nameOf = new Map(people.map(({ pubkey, name }) => [pubkey, name]))
  const boxes = new Map([...reports].map(([pubkey, { inbox }]) => [pubkey, counted(inbox.map(({ id }) => id))]))
  const entries = new Map([...reports].map(([pubkey, { inbox }]) => [pubkey, new Map(inbox.map(one => [one.id, one]))]))
  const deliveries = new Map(
    [...reports].map(([pubkey, { outbox }]) => [pubkey, new Map(outbox.map(one => [one.id, one]))]),
  )
  const answers = new Map(
    [...reports].map(([pubkey, { inbox }]) => [
      pubkey,
      counted(inbox.filter(({ act }) => act === 'answer').map(({ replyTo, from }) => `${replyTo} ${from}`)),
    ]),
  )
  const ran = counted(runs.map(({ id }) => id))
  const ranInLife = counted(runs.map(({ id, name, life }) => `${id} ${name} ${life}`))

  for (const { id, from, act } of promised)
    if (!mail.has(id)) problems.push(`${act} ${short(id)} of ${from} is at no relay`)
  for (const [key, times] of ranInLife)
    if (times > 1) problems.push(`${key} ran ${times} times without being interrupted`)

  for (const event of [...mail.values()].filter(isMessage)) {
    const { id, pubkey: from } = event
    const to = tag(event, 'p')
    const act = tag(event, 'y')
    const name = `${act} ${short(id)} of ${nameOf.get(from)} to ${nameOf.get(to)}`
    const times = boxes.get(to)?.get(id) ?? 0
    if (times !== 1) {
      problems.push(`${name} is in the inbox ${times} times`)
      continue
    }
    const { state, receipts } = deliveries.get(from)?.get(id) ?? { state: 'unknown', receipts: [] }
    const told = new Set(receipts.map(receipt => receipt.state))
    if (receipts.some(receipt => receipt.from !== to)) problems.push(`${name} has a receipt of somebody else`)
    const wanted = act === 'request' ? 'done' : 'received'
    if (state !== wanted || !told.has(wanted)) problems.push(`${name} is ${state} to its sender (${[...told].join()})`)
    if (act !== 'request') {
      if (told.has('done')) problems.push(`${name} is called done, and nobody worked on it`)
      continue
    }
    const entry = entries.get(to).get(id)
    if (entry.state !== 'done') problems.push(`${name} is ${entry.state}`)
    const tries = ran.get(id) ?? 0
    if (tries === 0) problems.push(`${name} was never handled`)
    if (tries > lives.get(to)) problems.push(`${name} was handled ${tries} times in ${lives.get(to)} lives`)
    const answered = answers.get(from)?.get(`${id} ${to}`) ?? 0
    if (answered !== 1) problems.push(`${name} was answered ${answered} times`)
  }
  for (const [pubkey, box] of boxes)
    for (const id of box.keys())
      if (!mail.has(id)) problems.push(`${short(id)} of ${nameOf.get(pubkey)}'s inbox is at no relay`)
  return problems
}
