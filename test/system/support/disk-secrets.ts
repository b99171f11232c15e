import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BootEvidence } from '@strongroom/contract'
import { parseEventLog } from '@strongroom/evidence'
import { memoryBackedDirectory, run } from '@strongroom/platform'
import { partitionTypes, readPartitions } from '../../../services/host/src/disks/gpt.ts'
import { extractRange } from '../../../services/host/src/disks/sparse.ts'
import { handles } from '../../../services/host/src/tpm/manufacture.ts'
import { permanentState, startSwtpm, stopSwtpm, tpmTool, type Swtpm } from '../../../services/host/src/tpm/swtpm.ts'
import { machineProcesses } from './processes.ts'

/** What a LUKS2 header may take (cryptsetup's default). */
const headerBytes = 16 * 1024 ** 2

export interface DiskSecrets {
  volumeKey: Uint8Array
  /** What the vTPM seals; systemd uses its base64 as the passphrase of the key slot. */
  sealed: Uint8Array
}

/**
 * The keys of a running VM's OS disk, as an operator of simulated silicon could learn them: a copy of the vTPM, brought to
 * the registers at which the initrd opens the disk, unseals them. No interface of Strongroom gives them out.
 */
export async function readDiskSecrets(o: { vmId: string; disk: string; evidence: BootEvidence }): Promise<DiskSecrets> {
  const running = (await machineProcesses(o.vmId)).find((each) => each.command === 'swtpm')
  const [, stateDir] = /dir=([^ ,]+)/.exec(running?.cmdline ?? '') ?? []
  if (stateDir === undefined) throw new Error('no vTPM of this VM runs')
  const directory = await memoryBackedDirectory('test-disk-secrets')
  const file = (name: string): string => join(directory, name)
  try {
    const root = (await readPartitions(o.disk))?.find((partition) => partition.type === partitionTypes.rootX64)
    await extractRange({ from: o.disk, offset: root!.offset, length: headerBytes, to: file('header') })
    await mkdir(file('tpm'), { mode: 0o700 })
    await copyFile(join(stateDir, permanentState), join(file('tpm'), permanentState))
    const tpm = await startSwtpm({ stateDir: file('tpm'), runtimeDir: directory, name: 'copy', startup: 'clear' })
    try {
      for (const extend of registersAtUnlock(o.evidence)) await tpmTool(tpm, 'tpm2_pcrextend', [extend])
      const sealed = await unseal(tpm, file)
      await writeFile(file('passphrase'), sealed.toString('base64'), { mode: 0o600 })
      const dump = ['luksDump', '--batch-mode', '--dump-volume-key', '--key-file', file('passphrase')]
      await run({ command: 'cryptsetup', args: [...dump, '--volume-key-file', file('key'), file('header')] })
      return { sealed, volumeKey: new Uint8Array(await readFile(file('key'))) }
    } finally {
      await stopSwtpm(tpm)
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** What firmware, stub and initrd extended into PCR 7 and 11 before the disk was opened, for tpm2_pcrextend. */
function registersAtUnlock(evidence: BootEvidence): string[] {
  const log = parseEventLog(Buffer.from(evidence.measuredBoot!.eventLog, 'base64url'))
  const logged = log.events
    .filter((event) => event.pcr === 7 || event.pcr === 11)
    .map((event) => `${event.pcr}:sha256=${Buffer.from(event.digests.get('sha256')!).toString('hex')}`)
  return [...logged, `11:sha256=${createHash('sha256').update('enter-initrd').digest('hex')}`]
}

/** Imports and unseals the object of systemd's token: TPM2B_PRIVATE, TPM2B_PUBLIC and the seed it was made under, in a row. */
async function unseal(tpm: Swtpm, file: (name: string) => string): Promise<Buffer> {
  const { stdout } = await run({ command: 'cryptsetup', args: ['luksDump', '--dump-json-metadata', file('header')] })
  const { tokens } = JSON.parse(stdout.toString()) as { tokens: Record<string, Record<string, string>> }
  const token = Object.values(tokens).find((each) => each['type'] === 'systemd-tpm2')
  let rest = Buffer.from(token?.['tpm2-blob'] ?? '', 'base64')
  for (const name of ['private', 'public', 'seed']) {
    const length = 2 + rest.readUInt16BE(0)
    await writeFile(file(name), rest.subarray(0, length), { mode: 0o600 })
    rest = rest.subarray(length)
  }
  const parent = ['-Q', '-C', handles.srk, '-u', file('public')]
  const session = file('session')
  await tpmTool(tpm, 'tpm2_import', [...parent, '-i', file('private'), '-s', file('seed'), '-r', file('imported')])
  await tpmTool(tpm, 'tpm2_load', [...parent, '-r', file('imported'), '-c', file('object')])
  await tpmTool(tpm, 'tpm2_startauthsession', ['-Q', '--policy-session', '-S', session])
  await tpmTool(tpm, 'tpm2_policypcr', ['-Q', '-S', session, '-l', 'sha256:7,11'])
  return await tpmTool(tpm, 'tpm2_unseal', ['-c', file('object'), '-p', `session:${session}`])
}
