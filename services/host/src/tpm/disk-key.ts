import { bootRegisters, type BootRegisters } from '@strongroom/evidence/expected'
import { ServiceError } from '@strongroom/platform'
import { parseNvPublic } from './nv-index.ts'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'
import type { TpmDirectory } from './tpm-directory.ts'

/** An index of the owner's range (TCG Registry of Reserved TPM 2.0 Handles, section 2.2.2) that the platform defines. */
export const diskKeyIndex = 0x0140_0100
const index = `0x0${diskKeyIndex.toString(16)}`

/**
 * Who holds the platform hierarchy (the paravisor, before the firmware starts) reads and writes it, and a boot that was
 * measured as its policy says reads it. Nobody in the guest writes or removes it.
 */
const attributes = 'ppread|ppwrite|policyread|no_da|platformcreate'

/** What the initrd needs to map an OS disk, and nothing of which it reads on that disk. */
export interface DiskKey {
  luksUuid: string
  /** 64 bytes: AES-256-XTS. */
  volumeKey: Uint8Array
  /** HMAC of the volume's description under its key, hexadecimal (volumeText). */
  keyDigest: string
}

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const form = new RegExp(`^1 (${uuid}) ([0-9a-f]{128}) ([0-9a-f]{64})\\n$`)

/**
 * Lays the key of a VM's disk into its TPM, which nothing else uses meanwhile: an NV index that reads under a policy of the
 * registers that are predicted for the VM's boots.
 * @param o.registers SHA-256 values at the moment at which the initrd opens the disk
 */
export async function writeDiskKey(o: {
  directory: TpmDirectory
  key: DiskKey
  registers: BootRegisters
}): Promise<void> {
  const { key } = o
  const hex = Buffer.from(key.volumeKey).toString('hex')
  const content = Buffer.from(`1 ${key.luksUuid} ${hex} ${key.keyDigest}\n`)
  if (!form.test(content.toString())) throw new TypeError('this is no key of a disk')
  const { directory } = o
  const policy = directory.at('policy')
  await withTpm(o, async (tpm) => {
    try {
      const values = await directory.give('values', Buffer.concat(bootRegisters.map((each) => o.registers[each])))
      const registers = ['--policy-pcr', '-l', `sha256:${bootRegisters.join(',')}`, '-f', values]
      await tpmTool(tpm, 'tpm2_createpolicy', ['-Q', ...registers, '-L', policy])
      const define = ['-C', 'p', '-s', String(content.length), '-a', attributes, '-L', policy]
      await tpmTool(tpm, 'tpm2_nvdefine', ['-Q', index, ...define])
      const file = await directory.give('disk.key', content)
      await tpmTool(tpm, 'tpm2_nvwrite', ['-Q', '-C', 'p', index, '-i', file])
    } finally {
      content.fill(0)
      await directory.drop('values', 'policy', 'disk.key')
    }
  })
}

/**
 * Reads it back as the platform, before any guest runs.
 * @returns undefined where the TPM holds no key of a disk
 * @throws ServiceError DiskKeyUnreadable where there is something else
 */
export async function readDiskKey(o: { directory: TpmDirectory }): Promise<DiskKey | undefined> {
  return await withTpm(o, async (tpm) => {
    if (!parseNvPublic((await tpmTool(tpm, 'tpm2_nvreadpublic', [])).toString()).has(diskKeyIndex)) return undefined
    const content = await tpmTool(tpm, 'tpm2_nvread', ['-C', 'p', index])
    const [, luksUuid, volumeKey, keyDigest] = form.exec(content.toString()) ?? []
    content.fill(0)
    if (luksUuid === undefined || volumeKey === undefined || keyDigest === undefined) {
      throw new ServiceError({
        code: 'DiskKeyUnreadable',
        status: 500,
        message: 'The vTPM holds a key of a disk in another form.',
        target: 'osDisk',
        expected: 'form 1',
        found: 'another',
        remedy: 'Start the VM with the version of Strongroom that made it.',
      })
    }
    return { luksUuid, volumeKey: Buffer.from(volumeKey, 'hex'), keyDigest }
  })
}

async function withTpm<T>(o: { directory: TpmDirectory }, work: (tpm: Swtpm) => Promise<T>): Promise<T> {
  const tpm = await startSwtpm({ ...o, name: 'disk-key', startup: 'clear' })
  try {
    const result = await work(tpm)
    await tpmTool(tpm, 'tpm2_shutdown', ['-c'])
    return result
  } finally {
    await stopSwtpm(tpm)
  }
}
