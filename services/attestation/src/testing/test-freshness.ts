import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, type Clock } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { onTestFinished } from 'vitest'
import { Freshness } from '../tpm/freshness.ts'
import { migrations } from '../store/migrations.ts'

/** Tracks used statements, in a separate store that is removed with the test. */
export async function openTestFreshness(clock: Clock): Promise<Freshness> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-freshness-'))
  const store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
  onTestFinished(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  await store.migrate('attestation', migrations)
  return new Freshness({ store, clock })
}
