import type { RelayIdentity } from '../info.ts'
import type { Store } from '../log/store.ts'

const SECTION = 'identity'
/** What an owner may change while the relay runs (NIP-86). */
const FIELDS = ['name', 'description', 'icon'] as const
export type IdentityField = (typeof FIELDS)[number]

/** How the relay presents itself: as configured, and as changed since. A change is on disk before it shows. */
export class IdentitySettings {
  readonly #store: Pick<Store, 'writeSetting'>
  #current: RelayIdentity

  private constructor(store: Pick<Store, 'writeSetting'>, identity: RelayIdentity) {
    this.#store = store
    this.#current = identity
  }

  static async load(
    store: Pick<Store, 'readSettings' | 'writeSetting'>,
    configured: RelayIdentity,
  ): Promise<IdentitySettings> {
    const changed = (await store.readSettings()).filter(({ section }) => section === SECTION)
    const overrides = FIELDS.flatMap(field => {
      const setting = changed.find(({ name }) => name === field)
      return setting === undefined ? [] : [[field, setting.value] as const]
    })
    return new IdentitySettings(store, { ...configured, ...Object.fromEntries(overrides) })
  }

  get current(): RelayIdentity {
    return this.#current
  }

  async change(field: IdentityField, value: string): Promise<void> {
    await this.#store.writeSetting({ section: SECTION, name: field, value })
    this.#current = { ...this.#current, [field]: value }
  }
}
