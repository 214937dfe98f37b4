// The query shapes, and which of the events a relay was given each must answer with.

const LIMIT = 100

/** The values that `count` most often occur. */
function commonest(values, count) {
  const counts = new Map()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([value]) => value)
}

/** `[{ name, filters }]`, made of what is in the events. The filters of a shape are asked in turn. */
export function shapesOf(events) {
  const authors = commonest(
    events.map(({ pubkey }) => pubkey),
    8,
  )
  const people = commonest(
    events.flatMap(({ tags }) => tags.filter(([name]) => name === 'p').map(([, value]) => value)),
    8,
  )
  // Searchable is readable text (kind 1 in every relay); a common word, a less common one, and both.
  const words = commonest(
    events
      .filter(({ kind }) => kind === 1)
      .flatMap(({ content }) => content.split(' ').filter(word => /^[a-z]{4,}$/.test(word))),
    20,
  )
  const kinds = commonest(
    events.map(({ kind }) => kind),
    3,
  )
  const newest = events.at(-1).created_at
  const oldest = events[0].created_at
  const some = (count, from) => Array.from({ length: count }, (_, n) => events[(from + n * 7_919) % events.length].id)
  return [
    { name: 'latest 100', filters: [{ limit: LIMIT }] },
    {
      name: 'by time',
      filters: [0.2, 0.4, 0.6, 0.8].map(share => ({
        until: Math.round(oldest + (newest - oldest) * share),
        limit: LIMIT,
      })),
    },
    { name: 'by author', filters: authors.map(author => ({ authors: [author], limit: LIMIT })) },
    { name: 'by kind', filters: kinds.map(kind => ({ kinds: [kind], limit: LIMIT })) },
    { name: 'author + kind', filters: authors.map(author => ({ authors: [author], kinds: [kinds[0]], limit: LIMIT })) },
    { name: 'by #p', filters: people.map(person => ({ '#p': [person], limit: LIMIT })) },
    { name: 'by id', filters: some(64, 1).map(id => ({ ids: [id] })) },
    { name: 'by 100 ids', filters: [{ ids: some(LIMIT, 3) }, { ids: some(LIMIT, 5) }] },
    {
      name: 'search',
      search: true,
      filters: [words[0], words.at(-1), `${words[0]} ${words.at(-1)}`].map(search => ({ search, limit: LIMIT })),
    },
  ]
}

function matches(filter, event) {
  return (
    (filter.until === undefined || event.created_at <= filter.until) &&
    (filter.authors === undefined || filter.authors.includes(event.pubkey)) &&
    (filter.kinds === undefined || filter.kinds.includes(event.kind)) &&
    (filter.ids === undefined || filter.ids.includes(event.id)) &&
    (filter['#p'] === undefined || event.tags.some(([name, value]) => name === 'p' && filter['#p'].includes(value))) &&
    (filter.search === undefined || filter.search.split(' ').every(word => event.content.split(' ').includes(word)))
  )
}

/** Throws unless an answer is right: a fast wrong one is no figure. With `known` also if something is missing. */
export function checkAnswer(filter, answer, known) {
  const wrong = answer.find(event => !matches(filter, event))
  if (wrong !== undefined) throw new Error(`wrong answer to ${JSON.stringify(filter)}: ${JSON.stringify(wrong)}`)
  if (filter.search === undefined)
    for (let n = 1; n < answer.length; n++)
      if (answer[n].created_at > answer[n - 1].created_at)
        throw new Error(`not newest first: ${JSON.stringify(filter)}`)
  if (known === undefined) return
  const due = Math.min(filter.limit ?? Number.POSITIVE_INFINITY, known.filter(event => matches(filter, event)).length)
  if (answer.length !== due) throw new Error(`${answer.length} of ${due} events for ${JSON.stringify(filter)}`)
}
