import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BootEvidence } from '@strongroom/contract'
import { parseEventLog } from '@strongroom/evidence'
import { memoryBackedDirectory } from '@strongroom/platform'
import { openSeal, type OpenedSeal } from '../../../services/host/src/disks/open-seal.ts'
import { permanentState } from '../../../services/host/src/tpm/swtpm.ts'
import { machineProcesses } from './processes.ts'

/**
 * The keys of a running VM's OS disk, as an operator of simulated silicon could learn them: a copy of the vTPM, brought to
 * the registers at which the initrd opens the disk, unseals them. No interface of Strongroom gives them out.
 */
export async function readDiskSecrets(o: { vmId: string; disk: string; evidence: BootEvidence }): Promise<OpenedSeal> {
  const running = (await machineProcesses(o.vmId)).find((each) => each.command === 'swtpm')
  const [, stateDir] = /dir=([^ ,]+)/.exec(running?.cmdline ?? '') ?? []
  if (stateDir === undefined) throw new Error('no vTPM of this VM runs')
  const directory = await memoryBackedDirectory('test-disk-secrets')
  try {
    const tpmState = join(stateDir, permanentState)
    return await openSeal({ disk: o.disk, directory, tpmState, extensions: extensionsAtUnlock(o.evidence) })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** What firmware, stub and initrd extended into PCR 7 and 11 before the disk was opened. */
function extensionsAtUnlock(evidence: BootEvidence): Record<number, Uint8Array[]> {
  const log = parseEventLog(Buffer.from(evidence.measuredBoot!.eventLog, 'base64url'))
  const of = (register: number): Uint8Array[] =>
    log.events.filter((event) => event.pcr === register).map((event) => event.digests.get('sha256')!)
  return { 7: of(7), 11: [...of(11), createHash('sha256').update('enter-initrd').digest()] }
}
