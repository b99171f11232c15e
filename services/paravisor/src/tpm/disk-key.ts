import { createHash } from 'node:crypto'
import { bootRegisters, firmwareRegister, nothingPassed, type BootRegisters } from '@strongroom/evidence/expected'
import { ServiceError } from '@strongroom/platform'
import {
  admittedList,
  defineUpdates,
  policyOr,
  readSlots,
  readUpdateRules,
  resealSlots,
  writeAdmitted,
  writeUpdateRules,
  type UpdateRules,
} from './boot-updates.ts'
import { admitToCount, forgetCount } from './disk-count.ts'
import { parseNvPublic, type Defined } from './nv-index.ts'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'
import type { TpmDirectory } from './tpm-directory.ts'

/** An index in the owner's range (TCG Registry of Reserved TPM 2.0 Handles, section 2.2.2) that the platform defines. */
const diskKeyIndex = 0x0140_0100
const index = `0x0${diskKeyIndex.toString(16)}`

/**
 * A holder of the platform hierarchy (the paravisor, before the firmware starts) reads and writes it, and a boot with
 * the measurements in its policy reads it. Nobody in the guest can write or remove it.
 */
const attributes = 'ppread|ppwrite|policyread|no_da|platformcreate'

/** What the initrd needs to map an OS disk, none of it read from that disk. */
export interface DiskKey {
  luksUuid: string
  /** 64 bytes: AES-256-XTS. */
  volumeKey: Uint8Array
  /** HMAC of the volume's description under its key, hexadecimal (volumeText). */
  keyDigest: string
}

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const digest = '([0-9a-f]{64})'
const form = new RegExp(`^2 (${uuid}) ([0-9a-f]{128}) ${digest} ${digest} ${digest} ${digest}\\n$`)

/** Of the image and the VM's Secure Boot variables, when the initrd opens the disk. */
export type ImageRegisters = Pick<BootRegisters, 4 | 7 | 11>

/** The index's content: the key, and the image's registers that it is permanently bound to. */
export interface Content {
  key: DiskKey
  image: ImageRegisters
}

/**
 * Stores the key of a VM's disk in its TPM, which must be otherwise unused: an NV index that no boot can read before a
 * machine is admitted.
 * @param o.image SHA-256 values at the moment when the initrd opens the disk
 * @param o.updates whose boot-file updates the VM accepts; nobody's by default
 */
export async function writeDiskKey(o: {
  directory: TpmDirectory
  key: DiskKey
  image: ImageRegisters
  updates?: Omit<UpdateRules, 'lowest'> | undefined
}): Promise<void> {
  await withTpm(o, async (tpm) => {
    await define(tpm, o, policyOf(registersOf(o.image, { machine: noMachine })))
    if (o.updates !== undefined) await defineUpdates(tpm, o.updates)
  })
}

/**
 * Replaces the key by that of a disk that was encrypted again; nothing of the old one remains. It is bound to the same image, and no boot
 * reads it before a machine is admitted. Updates of the boot file that the guest laid down count under it.
 */
export async function replaceDiskKey(o: { directory: TpmDirectory; key: DiskKey }): Promise<void> {
  await withTpm(o, async (tpm) => {
    const defined = await definedIndices(tpm)
    const before = await readContent(tpm, defined)
    if (before === undefined) throw new TypeError('a vTPM without a disk key has none to replace')
    try {
      if ((await readUpdateRules(tpm, defined)) !== undefined)
        await resealSlots(tpm, { from: before.key.volumeKey, to: o.key.volumeKey })
      await forgetCount(tpm, defined)
      await tpmTool(tpm, 'tpm2_nvundefine', ['-Q', '-C', 'p', index])
      const content = { key: o.key, image: before.image }
      await define(tpm, content, policyOf(registersOf(content.image, { machine: noMachine })))
    } finally {
      before.key.volumeKey.fill(0)
    }
  })
}

/** A register value that no boot has, because each boot extends it. */
const noMachine = new Uint8Array(32)

/**
 * Lets the boots of one machine read the key, and no others: the image stays the one that the key was created for,
 * whatever is predicted now, plus the updates that `judge` admits. Does nothing if the TPM has no disk key.
 * @param o.machine PCR 1 of the machine that the VM will run on (predictPcr1)
 * @param o.firmware PCR 0 of the firmware that was launched; without it, as for initrds that do not name it, any firmware's
 * @param o.settle called for the PCR 7 that the VM's Secure Boot variables give; without an answer it is the one that
 * the key was created for
 * @param o.judge called if the VM accepts boot-file updates; without it none is admitted
 * @returns registers of the boots that can read the key, when they do
 */
export async function admitBoots(o: {
  directory: TpmDirectory
  machine: Uint8Array
  firmware?: Uint8Array | undefined
  settle?: (bound: Content) => Promise<Uint8Array | undefined>
  judge?: (found: FoundUpdates) => Promise<AdmittedBoots>
}): Promise<BootRegisters[]> {
  return await withTpm(o, async (tpm) => {
    const defined = await definedIndices(tpm)
    const content = await readContent(tpm, defined)
    if (content === undefined) return []
    try {
      const image = { ...content.image, 7: (await o.settle?.(content)) ?? content.image[7] }
      const rules = await readUpdateRules(tpm, defined)
      const admitted =
        rules === undefined || o.judge === undefined
          ? { image: (rules?.lowest ?? 0) === 0, updates: [] }
          : await o.judge({ rules, slots: await readSlots(tpm), key: content.key, image })
      if (rules !== undefined && 'lowest' in admitted && admitted.lowest !== rules.lowest)
        await writeUpdateRules(tpm, { ...rules, lowest: admitted.lowest })
      const boots = [...(admitted.image ? [image] : []), ...admitted.updates].map((boot) => registersOf(boot, o))
      const policies = boots.map(policyOf)
      // If nothing is admitted, the key stays under a value that no boot measures.
      if (policies.length === 0) policies.push(policyOf(registersOf(content.image, { machine: noMachine })))
      await writeAdmitted(tpm, defined, policies)
      await tpmTool(tpm, 'tpm2_nvundefine', ['-Q', '-C', 'p', index])
      const policy = policyOfAll(policies)
      await define(tpm, content, policy)
      await admitToCount(tpm, defined, policy)
      return boots
    } finally {
      content.key.volumeKey.fill(0)
    }
  })
}

/** State of boot-file updates in a VM's TPM, before power-on. */
export interface FoundUpdates extends Content {
  rules: UpdateRules
  /** What the guest stored for its default boot file and for the other: arbitrary content. */
  slots: Uint8Array[]
}

/** Which boots read the key. */
export interface AdmittedBoots {
  /** The boot file that the VM was created with. */
  image: boolean
  /** At most one for each slot. */
  updates: ImageRegisters[]
  /** Generation below which none is admitted from now on. */
  lowest: number
}

async function define(tpm: Swtpm, { key, image }: Content, policyDigest: Uint8Array): Promise<void> {
  const { directory } = tpm
  const volumeKey = Buffer.from(key.volumeKey).toString('hex')
  const bound = ([4, 7, 11] as const).map((register) => Buffer.from(image[register]).toString('hex'))
  const content = Buffer.from(`2 ${[key.luksUuid, volumeKey, key.keyDigest, ...bound].join(' ')}\n`)
  if (!form.test(content.toString())) throw new TypeError('this is not a disk key')
  try {
    const policy = await directory.give('policy', policyDigest)
    const size = ['-s', String(content.length), '-a', attributes]
    await tpmTool(tpm, 'tpm2_nvdefine', ['-Q', index, '-C', 'p', ...size, '-L', policy])
    const file = await directory.give('disk.key', content)
    await tpmTool(tpm, 'tpm2_nvwrite', ['-Q', '-C', 'p', index, '-i', file])
  } finally {
    content.fill(0)
    await directory.drop('policy', 'disk.key')
  }
}

const registersOf = (
  image: ImageRegisters,
  { machine, firmware }: { machine: Uint8Array; firmware?: Uint8Array | undefined },
): BootRegisters => ({
  ...nothingPassed,
  ...(firmware && { 0: firmware }),
  4: image[4],
  7: image[7],
  11: image[11],
  1: machine,
})

const policyPcr = '0000017f'
const sha256Bank = '000b'

/** Digest of a policy satisfied by TPM2_PolicyPCR alone (TPM 2.0 Part 3, section 23.7); the initrd names the same registers. */
function policyOf(registers: BootRegisters): Uint8Array {
  const { 0: firmware } = registers
  const named = [...(firmware === undefined ? [] : [firmwareRegister]), ...bootRegisters]
  const selection = Buffer.alloc(3)
  for (const register of named) selection[register >> 3]! |= 1 << (register & 7)
  const values = sha256(...(firmware ? [firmware] : []), ...bootRegisters.map((register) => registers[register]))
  const command = Buffer.from(`${policyPcr}00000001${sha256Bank}03${selection.toString('hex')}`, 'hex')
  return sha256(new Uint8Array(32), command, values)
}

/** For one boot its policy; for several TPM2_PolicyOR (section 23.6) over the list that the initrd finds beside the key. */
function policyOfAll(policies: readonly Uint8Array[]): Uint8Array {
  const [only, second] = policies
  if (only !== undefined && second === undefined) return only
  return sha256(new Uint8Array(32), Buffer.from(policyOr, 'hex'), ...admittedList(policies))
}

function sha256(...parts: Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/**
 * Reads it back as the platform, before any guest runs.
 * @returns undefined if the TPM has no disk key
 * @throws ServiceError DiskKeyUnreadable for other content
 */
export async function readDiskKey(o: { directory: TpmDirectory }): Promise<DiskKey | undefined> {
  return (await withTpm(o, async (tpm) => await readContent(tpm, await definedIndices(tpm))))?.key
}

const definedIndices = async (tpm: Swtpm): Promise<Defined> =>
  parseNvPublic((await tpmTool(tpm, 'tpm2_nvreadpublic', [])).toString())

async function readContent(tpm: Swtpm, defined: Defined): Promise<Content | undefined> {
  if (!defined.has(diskKeyIndex)) return undefined
  const content = await tpmTool(tpm, 'tpm2_nvread', ['-C', 'p', index])
  const [, luksUuid, volumeKey, keyDigest, ...bound] = form.exec(content.toString()) ?? []
  content.fill(0)
  if (luksUuid === undefined || volumeKey === undefined || keyDigest === undefined) {
    throw new ServiceError({
      code: 'DiskKeyUnreadable',
      message: 'The vTPM holds a disk key in an unknown format.',
      target: 'osDisk',
      expected: 'form 2',
      found: 'another',
      remedy: 'Start the VM with the version of Strongroom that created it.',
    })
  }
  const [pcr4, pcr7, pcr11] = bound.map((hex) => new Uint8Array(Buffer.from(hex, 'hex'))) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  return {
    key: { luksUuid, volumeKey: Buffer.from(volumeKey, 'hex'), keyDigest },
    image: { 4: pcr4, 7: pcr7, 11: pcr11 },
  }
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
