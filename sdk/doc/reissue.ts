import * as Y from 'yjs'

export interface Reissued {
  /** What to apply to the document that is to have it: written under the given client id, on top of `onto`. */
  readonly update: Uint8Array
  /** False: some of it stood on what is not there any more, and is left out. */
  readonly whole: boolean
}

/**
 * Says again what updates meant, under another client id: they are applied to a copy of the state that they were made for, and what
 * changes there is done as new edits to a copy of the state that they are to be made for, from where Yjs merges them as ever. For own
 * updates that nobody may apply as they are: of a generation that has ended, of a run that did not get to send them.
 */
export function reissue(
  from: Uint8Array | undefined,
  updates: readonly Uint8Array[],
  onto: Uint8Array | undefined,
  client: number,
): Reissued {
  const source = new Y.Doc()
  if (from) Y.applyUpdate(source, from)
  const target = new Y.Doc()
  if (onto) Y.applyUpdate(target, onto)
  target.clientID = client
  const before = Y.encodeStateVector(target)
  for (const update of updates) {
    const known = new Map([...source.share].map(([name, root]) => [name, rootOf(source, name, root)]))
    const stops = [...known].map(([name, root]) => watch(name, root, target))
    const preview = previewRoots(source, update)
    for (const [name, root] of preview) if (!known.has(name)) stops.push(watch(name, adopt(source, name, root), target))
    target.transact(() => Y.applyUpdate(source, update))
    for (const stop of stops) stop()
  }
  const { pendingStructs, pendingDs } = source.store
  return { update: Y.encodeStateAsUpdate(target, before), whole: pendingStructs === null && pendingDs === null }
}

type Root = Y.Map<unknown> | Y.Array<unknown> | Y.Text | Y.XmlFragment
type RootKind = 'map' | 'array' | 'text' | 'xml'

function watch(name: string, root: Root, target: Y.Doc): () => void {
  const onEvents = (events: Y.YEvent<Y.AbstractType<unknown>>[]) => {
    for (const event of events) repeat(event, followPath(adopt(target, name, kindOf(root)), event.path))
  }
  root.observeDeep(onEvents)
  return () => root.unobserveDeep(onEvents)
}

function followPath(root: Root, path: readonly (string | number)[]): unknown {
  let at: unknown = root
  for (const step of path) {
    if (at instanceof Y.Map) at = at.get(String(step))
    else if (at instanceof Y.Array || at instanceof Y.XmlFragment) at = at.get(Number(step))
    else return undefined
  }
  return at
}

/** Does to `to` what an event says was done to its counterpart. */
function repeat(event: Y.YEvent<Y.AbstractType<unknown>>, to: unknown): void {
  const source = event.target
  if (source instanceof Y.Map && to instanceof Y.Map) {
    for (const key of event.changes.keys.keys()) {
      if (source.has(key)) to.set(key, copyOf(source.get(key)))
      else to.delete(key)
    }
    return
  }
  if (source instanceof Y.Text && to instanceof Y.Text) to.applyDelta(event.delta.map(copyInsert))
  else if (to instanceof Y.Array || (to instanceof Y.XmlFragment && !(to instanceof Y.XmlText))) repeatList(event, to)
  if (source instanceof Y.XmlElement && to instanceof Y.XmlElement)
    for (const key of event.changes.keys.keys()) {
      const value = source.getAttribute(key)
      if (value === undefined) to.removeAttribute(key)
      else to.setAttribute(key, value)
    }
}

function repeatList(event: Y.YEvent<Y.AbstractType<unknown>>, to: Y.Array<unknown> | Y.XmlFragment): void {
  let at = 0
  for (const step of event.changes.delta) {
    if (step.retain !== undefined) at += step.retain
    if (step.delete !== undefined) to.delete(at, step.delete)
    if (Array.isArray(step.insert)) {
      const values = step.insert.map(copyOf)
      if (to instanceof Y.Array) to.insert(at, values)
      else to.insert(at, values as Y.XmlElement[])
      at += values.length
    }
  }
}

const copyInsert = <T extends { insert?: unknown }>(step: T): T =>
  step.insert instanceof Y.AbstractType ? { ...step, insert: step.insert.clone() } : step

const copyOf = (value: unknown): unknown => (value instanceof Y.AbstractType ? value.clone() : value)

/** Roots have no type on the wire: they have the one the program gave them, or else the one that their content is written for. */
function rootOf(doc: Y.Doc, name: string, root: object): Root {
  return adopt(doc, name, kindOf(root))
}

export function kindOf(root: object): RootKind {
  if (root instanceof Y.Map) return 'map'
  if (root instanceof Y.Array) return 'array'
  if (root instanceof Y.Text) return 'text'
  if (root instanceof Y.XmlFragment) return 'xml'
  if (!(root instanceof Y.AbstractType)) return 'array'
  if (root._map.size > 0) return 'map'
  for (let item = root._start; item !== null; item = item.right) {
    const { content } = item
    if (content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed)
      return 'text'
    if (content instanceof Y.ContentType)
      return content.type instanceof Y.XmlElement || content.type instanceof Y.XmlText ? 'xml' : 'array'
  }
  return 'array'
}

export function adopt(doc: Y.Doc, name: string, kind: RootKind): Root {
  switch (kind) {
    case 'map':
      return doc.getMap(name)
    case 'array':
      return doc.getArray(name)
    case 'text':
      return doc.getText(name)
    case 'xml':
      return doc.getXmlFragment(name)
  }
}

/** The roots that an update brings along, with their kinds: what is not there yet cannot be watched. */
function previewRoots(source: Y.Doc, update: Uint8Array): [string, RootKind][] {
  const preview = new Y.Doc()
  Y.applyUpdate(preview, Y.encodeStateAsUpdate(source))
  Y.applyUpdate(preview, update)
  return [...preview.share].map(([name, root]) => [name, kindOf(root)])
}
