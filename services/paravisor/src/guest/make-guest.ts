import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import type { ImageRecord, InstanceSpec } from '@strongroom/contract'
import { volumeDigest, volumeText, type BootRegisters } from '@strongroom/evidence/expected'
import type { InstallationAuthority } from '@strongroom/platform'
import { expectedPcrs, imageKeys, updatesOf } from '../expected/boot-files.ts'
import { settingsDigest } from '../expected/settings.ts'
import { makeUefiVariables } from '../firmware/uefi-variables.ts'
import { writeDiskKey } from '../tpm/disk-key.ts'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { GuestState, type CustomerWrap } from '../vmgs/guest-state.ts'
import { inHex, registerOf } from './admit-guest.ts'
import { decodeVariableRecord } from '../variables/variable-record.ts'

interface NewVariables {
  variables: Buffer
  variableRecord?: Buffer | undefined
}

export interface MakeRequest {
  spec: InstanceSpec
  image: ImageRecord
  authority: Pick<InstallationAuthority, 'caPem'>
  /** Public half of the VM's key. */
  wrappingKey: KeyObject
  customer: CustomerWrap | undefined
  /** Of a captured disk; default: those of the image's new VMs. */
  variables?: NewVariables | undefined
  /** Memory-backed, for this VM only. */
  runtimeDir: string
  /** The user of its vTPM. */
  user: number | undefined
  /** Where its guest state is created. */
  path: string
  step(name: string): Promise<void>
  signal: AbortSignal
  /** Makes the OS disk. @returns the new volume's key, which is wiped once the vTPM has it; undefined without encryption */
  makeDisk?: () => Promise<{ luksUuid: string; volumeKey: Uint8Array } | undefined>
}

/** What the host keeps of a new VM; none of it is secret. */
export interface MadeGuest {
  /** SubjectPublicKeyInfo, base64. */
  identity: { akSpki: string; ekSpki: string }
  /** Registers of the boots that read the disk's key, in hexadecimal, without the machine's: each boot admits it. */
  sealedTo: Record<string, string> | undefined
  /** Digest that PCR 15 of its boots begins with, hexadecimal. */
  volume: string | undefined
}

/** Creates a VM's vTPM, UEFI variables and guest state. The vTPM gets the key of the disk that `makeDisk` makes. */
export async function makeGuest(o: MakeRequest): Promise<MadeGuest> {
  const { spec } = o
  await o.step('Make vTPM')
  const directory = await TpmDirectory.make({ path: join(o.runtimeDir, 'tpm'), user: o.user })
  const settings = settingsDigest(spec, o.authority.caPem)
  const identity = await manufactureTpm({ directory, kept: { settings } })
  await o.step('Make UEFI variables')
  const { variables, variableRecord } = o.variables ?? (await newVariables(o))
  o.signal.throwIfAborted()
  const disk = o.makeDisk && (await encrypt(o, o.makeDisk, { directory, variables, variableRecord }))
  await o.step('Seal guest state')
  await GuestState.create({
    path: o.path,
    vmId: spec.vmId,
    wrappingKey: o.wrappingKey,
    customer: o.customer,
    tpm: await directory.readState(),
    variables,
    variableRecord,
  })
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return {
    identity: { akSpki: base64(identity.akSpki), ekSpki: base64(identity.ekSpki) },
    sealedTo: disk?.sealedTo,
    volume: disk?.volume,
  }
}

async function newVariables(o: MakeRequest): Promise<NewVariables> {
  const out = join(o.runtimeDir, 'variables.fd')
  const { secureBoot } = o.spec.security
  return { variables: await makeUefiVariables({ secureBoot, keys: await imageKeys(o.image), out }) }
}

/** Has the disk made, and its key stored in the VM's TPM for the boots that are predicted. */
async function encrypt(
  o: MakeRequest,
  makeDisk: NonNullable<MakeRequest['makeDisk']>,
  at: NewVariables & { directory: TpmDirectory },
): Promise<Pick<MadeGuest, 'sealedTo' | 'volume'> | undefined> {
  const { atUnlock } = await expectedPcrs({ image: o.image, variables: at.variables })
  const image = { ...atUnlock, ...(await begunWith(at.variableRecord)) }
  const volume = await makeDisk()
  if (volume === undefined) return undefined
  try {
    const text = await volumeText(volume)
    const key = { ...volume, keyDigest: text.slice(text.lastIndexOf(':') + 1) }
    await writeDiskKey({ directory: at.directory, key, image, updates: await updatesOf(o.image) })
    return { sealedTo: ofImage(image), volume: Buffer.from(await volumeDigest(text)).toString('hex') }
  } finally {
    volume.volumeKey.fill(0)
  }
}

/** A captured disk's Secure Boot variables go on from those that its first VM was created with. */
async function begunWith(variableRecord: Uint8Array | undefined): Promise<{ 7?: Uint8Array }> {
  if (variableRecord === undefined) return {}
  const { base, authority } = decodeVariableRecord(variableRecord)
  return { 7: await registerOf(base, authority) }
}

/** The machine is admitted at each boot. */
const ofImage = ({ 1: _machine, ...registers }: BootRegisters): Record<string, string> => inHex(registers)
