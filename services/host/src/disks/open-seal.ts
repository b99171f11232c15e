import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, ServiceError } from '@strongroom/platform'
import { handles } from '../tpm/manufacture.ts'
import { permanentState, startSwtpm, stopSwtpm, tpmTool, type Swtpm } from '../tpm/swtpm.ts'
import { partitionTypes, readPartitions } from './gpt.ts'
import { extractRange } from './sparse.ts'

/** What a LUKS2 header may take (cryptsetup's default). */
const headerBytes = 16 * 1024 ** 2

export interface OpenedSeal {
  luksUuid: string
  volumeKey: Uint8Array
  /** What the TPM seals; systemd uses its base64 as the passphrase of the key slot. */
  sealed: Uint8Array
}

/**
 * Opens the seal of an encrypted OS disk on a copy of its TPM, brought to the registers at which the initrd opens it: what the
 * guest will do at its first boot. The TPM itself is left as it is, and everything in clear is gone when this returns.
 * @param o.directory memory-backed
 * @param o.tpmState file of the TPM's permanent state
 * @param o.extensions digests that a boot extends until then, in order, by register
 * @throws ServiceError DiskSealDoesNotOpen
 */
export async function openSeal(o: {
  disk: string
  directory: string
  tpmState: string
  extensions: Record<number, Uint8Array[]>
}): Promise<OpenedSeal> {
  const directory = join(o.directory, 'open-seal')
  await mkdir(join(directory, 'tpm'), { recursive: true, mode: 0o700 })
  const file = (name: string): string => join(directory, name)
  try {
    const root = (await readPartitions(o.disk))?.find((partition) => partition.type === partitionTypes.rootX64)
    if (root === undefined) throw new TypeError('an encrypted OS disk has a root partition')
    await extractRange({ from: o.disk, offset: root.offset, length: headerBytes, to: file('header') })
    await copyFile(o.tpmState, join(file('tpm'), permanentState))
    const tpm = await startSwtpm({ stateDir: file('tpm'), runtimeDir: directory, name: 'copy', startup: 'clear' })
    try {
      await tpmTool(tpm, 'tpm2_pcrextend', extendArguments(o.extensions))
      const sealed = await unseal(tpm, file)
      await writeFile(file('passphrase'), sealed.toString('base64'), { mode: 0o600 })
      const dump = ['luksDump', '--batch-mode', '--dump-volume-key', '--key-file', file('passphrase')]
      await run({ command: 'cryptsetup', args: [...dump, '--volume-key-file', file('key'), file('header')] })
      const { stdout } = await run({ command: 'cryptsetup', args: ['luksUUID', file('header')] })
      const volumeKey = new Uint8Array(await readFile(file('key')))
      return { luksUuid: stdout.toString().trim(), volumeKey, sealed: new Uint8Array(sealed) }
    } finally {
      await stopSwtpm(tpm)
    }
  } catch (cause) {
    throw new ServiceError({
      code: 'DiskSealDoesNotOpen',
      status: 500,
      message: 'The OS disk does not open with the registers that are predicted for its VM.',
      target: 'osDisk',
      expected: 'a disk that its VM can open',
      found: cause instanceof Error ? cause.message.split('\n')[0]! : String(cause),
      remedy: 'The image, or the programs that seal (systemd-repart, swtpm), are not as they should be: see the log.',
      cause,
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** One argument a register: its digests in order. */
function extendArguments(extensions: Record<number, Uint8Array[]>): string[] {
  return Object.entries(extensions).flatMap(([register, digests]) =>
    digests.map((digest) => `${register}:sha256=${Buffer.from(digest).toString('hex')}`),
  )
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
