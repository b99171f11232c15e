import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe } from 'vitest'
import type { Store } from '../store/store-types.ts'
import { openStore } from '../store/engines/store.ts'
import { testPostgres } from './postgres.ts'
import { openRaw } from './raw-database.ts'
import { testSealer } from './test-sealer.ts'

/** Opens an empty store; with `sameAs`, a second connection to the first one's data, as another process has, perhaps of another release. */
export type OpenTestStore = (o?: { sameAs?: Store; step?: number }) => Promise<Store>

/**
 * Runs one vitest suite on both engines. Stores are closed and their data removed after each test. Postgres:
 * STRONGROOM_TEST_POSTGRES (a URL) if set, else a private cluster from Debian's packages.
 */
export function describeStores(name: string, suite: (open: OpenTestStore) => void): void {
  describe(`${name} on sqlite`, () => {
    suite(
      opener(async () => {
        const directory = await mkdtemp(join(tmpdir(), 'strongroom-store-'))
        return {
          place: { url: `sqlite:${directory}`, service: 'test' },
          remove: () => rm(directory, { recursive: true, force: true }),
        }
      }),
    )
  })
  describe(`${name} on postgres`, () => {
    let url = ''
    beforeAll(async () => {
      url = process.env.STRONGROOM_TEST_POSTGRES ?? (await testPostgres())
    }, 60_000)
    suite(
      opener(() => {
        const service = `test_${randomBytes(6).toString('hex')}`
        return Promise.resolve({
          place: { url, service },
          remove: async () => {
            const raw = await openRaw({ url, service })
            await raw.run(`drop schema strongroom_${service} cascade`)
            await raw.close()
          },
        })
      }),
    )
  })
}

interface Place {
  place: { url: string; service: string }
  remove(): Promise<void>
}

function opener(makePlace: () => Promise<Place>): OpenTestStore {
  const stores: Store[] = []
  const places: Place[] = []
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close()
    for (const place of places.splice(0)) await place.remove()
  })
  return async (o) => {
    const made = o?.sameAs ? undefined : await makePlace()
    if (made) places.push(made)
    const opened = await openStore({
      ...(o?.sameAs ? { url: o.sameAs.url, service: o.sameAs.service } : made!.place),
      ...(o?.step !== undefined && { step: o.step }),
      sealer: testSealer,
    })
    // A test may close a store itself, to show what a restart finds.
    let closing: Promise<void> | undefined
    const store = { ...opened, close: () => (closing ??= opened.close()) }
    stores.push(store)
    return store
  }
}
