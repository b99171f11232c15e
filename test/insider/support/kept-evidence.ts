import type { BootEvidence } from '@strongroom/contract'
import { openServiceStore, type Store } from '@strongroom/platform'
import type { TestInstallation } from '../../system/support/installation.ts'
import { serverContext } from '../../system/support/server-context.ts'

/** The host's rows of boots without a guest, readable and writable for the server's operator. */
export class KeptEvidence {
  readonly #installation: TestInstallation

  constructor(installation: TestInstallation) {
    this.#installation = installation
  }

  async #rows<T>(use: (store: Store) => Promise<T>): Promise<T> {
    const store = await openServiceStore(await serverContext(this.#installation), 'host')
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  }

  /** @param vmId in upper case */
  async read(vmId: string): Promise<BootEvidence> {
    return await this.#rows(async ({ db }) => {
      const query = db.selectFrom('simulated_boot').select('evidence').where('vm_id', '=', vmId)
      return JSON.parse((await query.executeTakeFirstOrThrow())['evidence'] as string) as BootEvidence
    })
  }

  async write(vmId: string, evidence: BootEvidence): Promise<void> {
    await this.#rows(async ({ db }) => {
      const changed = { evidence: JSON.stringify(evidence) }
      await db.updateTable('simulated_boot').set(changed).where('vm_id', '=', vmId).execute()
    })
  }

  /** Makes the host store something else during a check. */
  async edited<T>(vmId: string, edit: (evidence: BootEvidence) => void, look: () => Promise<T>): Promise<T> {
    const honest = await this.read(vmId)
    const evidence = structuredClone(honest)
    edit(evidence)
    await this.write(vmId, evidence)
    try {
      return await look()
    } finally {
      await this.write(vmId, honest)
    }
  }
}
