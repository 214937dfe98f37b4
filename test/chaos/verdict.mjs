import { isMessage } from './log.mjs'

const tag = (event, name) => event.tags.find(([key]) => key === name)?.[1]
const short = id => id.slice(0, 8)
const counted = values => {
  const counts = new Map()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

/**
 * What must hold at rest: every promised message is with its recipient; every message of any relay is with its recipient once, worked on,
 * answered once, and its sender knows so, from receipts of that recipient; an ended message was never worked on again; every reader has the
 * state that its author has, and that is what its author wrote last.
 * Where a home was put back less can be known: what it promised since the copy may be lost with it, it may work and answer again, and
 * what it had received and told is gone where every relay was put back, too. A message sent by a clock that was wrong is there or
 * told as refused.
 * `mail`: what the relays have, by id. `promised`, `runs`, `writes`: the journals. `reports`: what each agent says, by public key.
 * `wrongOnes`: names of agents whose clock was wrong. A message of theirs may be known by the id it had before it was dated anew, and killed
 * in between they did not promise it.
 * `forgotten`: the lives of each that its home knows nothing of. `putBack`: whose home ever was.
 */
export function judge(given) {
  const { people, mail, promised, runs, reports, lives, writes, forgotten, putBack, wrongOnes } = given
  const problems = []
  const figures = { refusedForTheirDate: 0, forgottenWithTheirHome: 0, stateReadings: 0 }
  const nameOf = new Map(people.map(({ pubkey, name }) => [pubkey, name]))
  const keyOf = new Map(people.map(({ pubkey, name }) => [name, pubkey]))
  const boxes = new Map([...reports].map(([pubkey, { inbox }]) => [pubkey, counted(inbox.map(({ id }) => id))]))
  const texts = new Map([...reports].map(([pubkey, { inbox }]) => [pubkey, counted(inbox.map(({ text }) => text))]))
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
  const said = new Map(promised.map(one => [`${one.from} ${one.text}`, one]))
  const ran = counted(runs.map(({ id }) => id))
  const ranInLife = counted(runs.map(({ id, name, life }) => `${id} ${name} ${life}`))

  for (const { id, from, to, act, text, life, wrong } of promised) {
    const sender = keyOf.get(from)
    const recipient = keyOf.get(to)
    // One that was dated anew is another event with the same text.
    if (texts.get(recipient)?.get(text) === 1) continue
    const { state } = deliveries.get(sender)?.get(id) ?? {}
    if (wrong && state === 'refused') figures.refusedForTheirDate += 1
    else if (forgotten.get(sender)?.has(life)) figures.forgottenWithTheirHome += 1
    // Its sender had the receipt, so nobody keeps it for a recipient that lost it with all relays.
    else if (putBack.has(recipient) && !mail.has(id) && ran.has(id)) figures.forgottenWithTheirHome += 1
    else if (putBack.has(recipient) && !mail.has(id) && (state === 'received' || state === 'done'))
      figures.forgottenWithTheirHome += 1
    else
      problems.push(
        `${act} ${short(id)} of ${from} is ${texts.get(recipient)?.get(text) ?? 0} times with ${to}; its sender says ${state}`,
      )
  }
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
    // One that was dated anew is another event; its sender knows it by the id that it promised, if it promised it.
    const promise = said.get(`${nameOf.get(from)} ${entries.get(to).get(id).text}`)
    const knownAs = deliveries.get(from)?.get(id)?.state === undefined ? promise?.id : id
    if (wrongOnes.has(nameOf.get(from)) && knownAs === undefined) continue
    const { state, receipts } = deliveries.get(from)?.get(knownAs) ?? { state: 'unknown', receipts: [] }
    const told = new Set(receipts.map(receipt => receipt.state))
    if (receipts.some(receipt => receipt.from !== to)) problems.push(`${name} has a receipt of somebody else`)
    const wanted = act === 'request' ? 'done' : 'received'
    // The sender's home forgot the message, or the receipt; or its recipient's forgot that one is due.
    const mayNotKnow = putBack.has(from) || putBack.has(to)
    if ((state !== wanted || !told.has(wanted)) && !mayNotKnow)
      problems.push(`${name} is ${state} to its sender (${[...told].join()})`)
    if (state === 'queued') problems.push(`${name} is queued`)
    if (act !== 'request') {
      if (told.has('done')) problems.push(`${name} is called done, and nobody worked on it`)
      continue
    }
    const entry = entries.get(to).get(id)
    if (entry.state !== 'done') problems.push(`${name} is ${entry.state}`)
    const tries = ran.get(id) ?? 0
    if (tries === 0) problems.push(`${name} was never handled`)
    if (tries > lives.get(to)) problems.push(`${name} was handled ${tries} times in ${lives.get(to)} lives`)
    // Its sender knows the answer as one to what it promised.
    const answered = [...new Set([id, knownAs])].reduce(
      (sum, each) => sum + (answers.get(from)?.get(`${each} ${to}`) ?? 0),
      0,
    )
    const isAnswered = answered === 1 || (mayNotKnow && (answered > 1 || putBack.has(from)))
    if (!isAnswered) problems.push(`${name} was answered ${answered} times`)
  }
  // After a relay was put back what all have may be nowhere else: with its recipient is enough.
  for (const [pubkey, box] of boxes)
    for (const [id, times] of box)
      if (times !== 1) problems.push(`${short(id)} is ${times} times in ${nameOf.get(pubkey)}'s inbox`)
  judgeStates({ reports, writes, forgotten, putBack, nameOf, keyOf, problems, figures })
  return { problems, figures }
}

/** No reader is behind for ever, and no write that was kept is gone. */
function judgeStates({ reports, writes, forgotten, putBack, nameOf, keyOf, problems, figures }) {
  for (const [pubkey, { states }] of reports) {
    const last = new Map()
    // What a home wrote before it was put back, and did not forget, may have been overwritten by what it did forget and relays still had.
    for (const { key, value, life } of writes.get(pubkey) ?? [])
      if (!putBack.has(pubkey)) last.set(key, value)
      else if (life > Math.max(0, ...forgotten.get(pubkey))) last.set(key, value)
    for (const [key, value] of last)
      if (!isAtLeast(states.values[key], value))
        problems.push(`${nameOf.get(pubkey)} wrote ${key} ${value} last, and has ${states.values[key]}`)
    for (const { who, values, behind } of states.seen) {
      figures.stateReadings += 1
      if (behind) problems.push(`${nameOf.get(pubkey)} is behind with ${who}'s state`)
      const own = reports.get(keyOf.get(who)).states.values
      for (const key of new Set([...Object.keys(own), ...Object.keys(values)]))
        if (own[key] !== values[key])
          problems.push(`${nameOf.get(pubkey)} has ${key} of ${who} ${values[key]}, which is ${own[key]}`)
    }
  }
}

/** The same write, or a later one that was killed before it was journalled. */
function isAtLeast(has, wrote) {
  const [[life = 0, n = 0], [wroteLife, wroteN]] = [has, wrote].map(value =>
    String(value ?? '')
      .split('.')
      .map(Number),
  )
  return life > wroteLife || (life === wroteLife && n >= wroteN)
}
