import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { memoryBackedDirectory } from '@strongroom/platform'
import { readDiskKey, type DiskKey } from '../../../services/paravisor/src/tpm/disk-key.ts'
import { permanentState, TpmDirectory } from '../../../services/paravisor/src/tpm/tpm-directory.ts'
import { processesOf } from './processes.ts'

/**
 * The key of a running VM's OS disk, as an operator of simulated silicon could learn it: from a copy of the vTPM, with
 * the platform's authority. No interface of Strongroom returns it.
 */
export async function readDiskSecrets(vmId: string): Promise<DiskKey> {
  const running = (await processesOf(vmId)).find((each) => each.command === 'swtpm')
  const [, source] = /dir=([^ ,]+)/.exec(running?.cmdline ?? '') ?? []
  if (source === undefined) throw new Error('no vTPM of this VM runs')
  const directory = await memoryBackedDirectory('test-disk-secrets')
  try {
    const state = await readFile(join(source, permanentState))
    const copy = await TpmDirectory.make({ path: join(directory, 'tpm'), user: undefined, state })
    const key = await readDiskKey({ directory: copy })
    if (key === undefined) throw new Error('the vTPM holds no key of a disk')
    return key
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
