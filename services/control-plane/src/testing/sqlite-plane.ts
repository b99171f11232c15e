import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSealer, openStore, type Clock, type WireClient } from '@strongroom/platform'
import type { ResourceTypes } from '../types/registry.ts'
import { FakeWire } from './fake-wire.ts'
import { openTestPlane, type TestPlane } from './test-plane.ts'

/** A resource manager on a new SQLite file, for tests that do not depend on the engine. */
export async function openSqlitePlane(
  o: {
    wire?: FakeWire
    compute?: 'simulated'
    strictImages?: boolean
    answersAzureNames?: () => boolean
    clock?: Clock
    through?: WireClient
    types?: ResourceTypes
  } = {},
): Promise<TestPlane & { close(): Promise<void>; /** Everything in the store's files. */ stored(): Promise<string> }> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-control-plane-'))
  const store = await openStore({
    url: `sqlite:${directory}`,
    service: 'test',
    sealer: createSealer(new Uint8Array(32)),
  })
  const plane = await openTestPlane(store, o.wire, o)
  return {
    ...plane,
    stored: async () => {
      const files = await readdir(directory)
      return (await Promise.all(files.map(async (file) => await readFile(join(directory, file), 'latin1')))).join('')
    },
    close: async () => {
      await plane.service.close()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
