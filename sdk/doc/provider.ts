import { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Agent } from '../api.ts'
import type { DocAlert, SharedDoc } from './api.ts'
import type { OpenDoc, OpenDocOptions } from './open-doc.ts'

export interface ProviderOptions extends Omit<OpenDocOptions, 'doc'> {
  readonly agent: Agent
  /** `name` (own) or `owner/name`. */
  readonly id: string
  /** Default: a new one for the document. */
  readonly awareness?: Awareness
  /** False: {@link PosthornProvider.connect} is called later. Default true. */
  readonly connect?: boolean
}

export type ProviderStatus = 'connecting' | 'connected' | 'disconnected'

/** As other Yjs providers tell them. `replaced`: this is the Y.Doc from here on; bind editors to it again. */
export interface ProviderEvents {
  status: { readonly status: ProviderStatus }
  sync: boolean
  synced: boolean
  alert: DocAlert
  replaced: Y.Doc
  /** The document could not be opened: a DocError. */
  'connection-error': unknown
  /** `status` is no longer `connected`. There is no one event that says why: `shared.status` does. */
  'connection-close': null
}

type Listener = (value: never) => void

/**
 * A shared document with the interface that Yjs bindings and applications know from other providers: `doc`, `awareness`, `synced`,
 * `on('status' | 'sync' | 'synced')`, `connect`, `disconnect`, `destroy`.
 */
export abstract class Provider {
  readonly awareness: Awareness
  doc: Y.Doc
  synced = false
  status: ProviderStatus = 'disconnected'
  /** Members, history and the rest, once it is open. */
  shared: SharedDoc | undefined
  readonly #options: ProviderOptions
  readonly #open: OpenDoc
  readonly #listeners = new Map<string, Set<Listener>>()
  #stopAwareness: () => void = () => {}
  #opening: Promise<void> | undefined
  #wanted = false
  #destroyed = false

  constructor(open: OpenDoc, doc: Y.Doc, options: ProviderOptions) {
    this.#open = open
    this.#options = options
    this.doc = doc
    this.awareness = options.awareness ?? new Awareness(doc)
    if (options.connect !== false) this.connect()
  }

  get shouldConnect(): boolean {
    return this.#wanted
  }

  /** As y-websocket names them. */
  get wsconnected(): boolean {
    return this.status === 'connected'
  }

  get wsconnecting(): boolean {
    return this.status === 'connecting'
  }

  /** The id that was given. */
  get roomname(): string {
    return this.#options.id
  }

  /** As Hocuspocus names them. */
  get document(): Y.Doc {
    return this.doc
  }

  get isSynced(): boolean {
    return this.synced
  }

  /** Local changes that no relay is known to have. Before the document is open: whether there is anything in the Y.Doc. */
  get hasUnsyncedChanges(): boolean {
    if (!this.shared) return this.doc.store.clients.size > 0
    const { unwritten, unacknowledged } = this.shared.status
    return unwritten || unacknowledged > 0
  }

  setAwarenessField(key: string, value: unknown): void {
    this.awareness.setLocalStateField(key, value)
  }

  connect(): void {
    if (this.#destroyed || this.#wanted) return
    this.#wanted = true
    this.#tellStatus('connecting')
    if (this.shared) {
      this.shared.resume()
      this.#joinAwareness(this.shared)
      this.#look(this.shared)
      return
    }
    this.#opening ??= this.#begin().finally(() => {
      this.#opening = undefined
    })
  }

  /** Local changes are kept, and what others do is not shown, until `connect`. */
  disconnect(): void {
    this.#wanted = false
    this.#stopAwareness()
    this.shared?.pause()
    this.#tellSynced(false)
    this.#tellStatus('disconnected')
  }

  /** Writes what is waiting and ends; the Y.Doc and the agent stay. */
  async destroy(): Promise<void> {
    if (this.#destroyed) return
    this.#destroyed = true
    this.#stopAwareness()
    this.awareness.destroy()
    await this.#opening
    this.shared?.resume()
    await this.shared?.close()
    this.#tellSynced(false)
    this.#tellStatus('disconnected')
    this.#listeners.clear()
  }

  on<K extends keyof ProviderEvents>(event: K, listener: (value: ProviderEvents[K]) => void): void {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener))
  }

  once<K extends keyof ProviderEvents>(event: K, listener: (value: ProviderEvents[K]) => void): void {
    const first = (value: ProviderEvents[K]) => {
      this.off(event, first)
      listener(value)
    }
    this.on(event, first)
  }

  off<K extends keyof ProviderEvents>(event: K, listener: (value: ProviderEvents[K]) => void): void {
    this.#listeners.get(event)?.delete(listener)
  }

  /** Calls the listeners of an event with the one value in `args`, as lib0's observables do. */
  emit<K extends keyof ProviderEvents>(event: K, [value]: readonly [ProviderEvents[K], ...unknown[]]): void {
    this.#emit(event, value)
  }

  async #begin(): Promise<void> {
    const { agent, id, awareness: _, connect: __, ...options } = this.#options
    try {
      const shared = await this.#open(agent, id, { ...options, doc: this.doc })
      this.shared = shared
      shared.on('status', () => this.#look(shared))
      shared.on('alert', alert => this.#emit('alert', alert))
      shared.on('replaced', doc => {
        this.doc = doc
        if (this.#wanted) this.#joinAwareness(shared)
        this.#emit('replaced', doc)
      })
      if (this.#destroyed) return
      if (!this.#wanted) return shared.pause()
      this.#joinAwareness(shared)
      this.#look(shared)
    } catch (error) {
      this.#wanted = false
      this.#tellStatus('disconnected')
      this.#emit('connection-error', error)
    }
  }

  #joinAwareness(shared: SharedDoc): void {
    this.#stopAwareness()
    const { awareness } = this
    // The client id is the author's from here on, and what was said so far is said under it.
    const state = awareness.getLocalState()
    if (awareness.clientID !== shared.doc.clientID) {
      awareness.setLocalState(null)
      awareness.clientID = shared.doc.clientID
      awareness.setLocalState(state)
    }
    this.#stopAwareness = shared.joinAwareness(awareness)
  }

  #look(shared: SharedDoc): void {
    if (!this.#wanted || this.#destroyed) return
    const { connected, synced } = shared.status
    this.#tellStatus(connected ? 'connected' : 'connecting')
    this.#tellSynced(synced)
  }

  #tellStatus(status: ProviderStatus): void {
    if (this.status === status) return
    const wasConnected = this.status === 'connected'
    this.status = status
    this.#emit('status', { status })
    if (wasConnected) this.#emit('connection-close', null)
  }

  #tellSynced(synced: boolean): void {
    if (this.synced === synced) return
    this.synced = synced
    this.#emit('synced', synced)
    this.#emit('sync', synced)
  }

  #emit<K extends keyof ProviderEvents>(event: K, value: ProviderEvents[K]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(value as never)
  }
}
