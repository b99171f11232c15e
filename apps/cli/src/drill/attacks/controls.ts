import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { apiVersions } from '../../client/arm.ts'
import type { Host } from '../host/host.ts'
import { MetadataLiar } from '../host/metadata-liar.ts'
import type { Observation } from '../host/observation.ts'
import { addAcpiCode } from './devices.ts'
import { reportFile } from './metadata.ts'

/**
 * Boots the VM through everything that the attacks use, without changes: it must be ready and trusted, or no attack is
 * conclusive. Attacks with older copies start from its result.
 */
export async function bootUnattacked(host: Host): Promise<Observation> {
  const liar = new MetadataLiar()
  await host.lie(liar)
  const seen = await host.boot('true')
  if (seen.accepted) {
    const { arm, path } = await host.arm()
    await arm.run('POST', `${path}/deallocate`, apiVersions.compute)
  }
  if (liar.heard !== undefined) await writeFile(join(host.o.stateDir, reportFile), liar.heard)
  return seen
}

/** Has the guest's kernel run code of the host's: its mark must be seen, or `held` would mean nothing. */
export async function plantPayload(host: Host): Promise<Observation> {
  await addAcpiCode(host, 'planted code')
  return await host.boot()
}
