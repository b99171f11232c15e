import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { apiVersions } from '../../client/arm.ts'
import type { Host } from '../host/host.ts'
import { MetadataLiar } from '../host/metadata-liar.ts'
import type { Observation } from '../host/observation.ts'
import { efiProgram } from '../payload/efi-program.ts'
import { bootFile } from './boot-files.ts'
import { switchSecureBootOff } from './devices.ts'
import { reportFile } from './metadata.ts'

/**
 * Boots the VM by all that the attacks go through, and changes nothing: it has to be ready and trusted, or no attack says
 * anything. What it leaves is where the attacks with older copies start.
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

/** Runs a program of the host's where nothing keeps it out: its mark has to be seen, or `held` would mean nothing. */
export async function plantPayload(host: Host): Promise<Observation> {
  switchSecureBootOff(host)
  await (await host.bootPartition()).write(bootFile, efiProgram(host.mark('planted program')))
  return await host.boot()
}
