import { openDoc } from 'posthorn/doc'
import { afterEach, expect, test } from 'vitest'
import { during as duringOn, type Mesh, standInMesh } from './mesh.ts'

// A member is away while an author goes on: the author's changes are then partly in a snapshot, partly deltas behind it.

let mesh: Mesh
afterEach(() => mesh.close())

const during = <T>(promise: Promise<T>) => duringOn(mesh, promise, 120_000)

test.each([40, 60, 66, 70, 100, 150])(
  'away for %i changes of an author, then further ones: all is there, nothing is refused',
  async count => {
    mesh = await standInMesh(count)
    const ada = await mesh.agent('ada')
    const bob = await mesh.agent('bob')
    const hers = await during(openDoc(ada, 'notes'))
    await during(hers.invite('bob'))
    const his = await during(openDoc(bob, 'ada/notes'))
    await during(his.whenSynced())
    const text = hers.doc.getText('t')
    const type = async (changes: number) => {
      for (let change = 0; change < changes; change += 1) {
        text.insert(text.length, `change ${text.length} `)
        expect(await during(hers.flush())).toBe(true)
      }
    }
    await type(3)
    await mesh.advance(1_000)
    expect(his.digest()).toBe(hers.digest())
    await mesh.block('bob', mesh.url)
    await type(count)
    mesh.unblock('bob', mesh.url)
    await mesh.advance(60_000)
    expect(his.status).toMatchObject({ synced: true, alerts: [] })
    expect(his.digest()).toBe(hers.digest())
    await type(3)
    await mesh.advance(5_000)
    his.doc.getText('t').insert(0, 'from bob. ')
    await mesh.advance(5_000)
    expect(his.status).toMatchObject({ synced: true, alerts: [] })
    expect(his.digest()).toBe(hers.digest())
  },
)
