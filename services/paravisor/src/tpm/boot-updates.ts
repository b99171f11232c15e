import { createHmac, timingSafeEqual } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { nvIndexLength, type Defined } from './nv-index.ts'
import { define, readIndex, undefine, write } from './platform-index.ts'
import type { Swtpm } from './swtpm.ts'

/** Whose boot-file updates a VM accepts (docs/design/0018-kernel-updates.md). */
export interface UpdateRules {
  /** SHA-256 of the publisher's SubjectPublicKeyInfo, hexadecimal. */
  publisher: string
  /** Name of the image. */
  image: string
  /** The lowest generation that opens the disk; the image's own boot file has 0. */
  lowest: number
}

const read = 'ppread|ppwrite|authread|no_da|platformcreate'

/**
 * The platform defines all of them, so that no guest removes one. Only the platform writes the list and the rules. Any
 * guest can write a slot: valid content is signed, and has a MAC under the disk's key.
 */
const indices = {
  /** Policies of the boots that may read the disk's key, if several: a TPML_DIGEST of three, read by the initrd. */
  admitted: { index: 0x0140_0101, bytes: 106, attributes: read },
  rules: { index: 0x0140_0102, bytes: 256, attributes: read },
  defaultSlot: { index: 0x0140_0103, bytes: nvIndexLength, attributes: `${read}|authwrite` },
  otherSlot: { index: 0x0140_0104, bytes: nvIndexLength, attributes: `${read}|authwrite` },
} as const

/** TPM_CC_PolicyOR. */
export const policyOr = '00000171'
const mostAdmitted = 3

/** The policies, repeated to fill the list: the initrd expects a fixed length. */
export function admittedList(policies: readonly Uint8Array[]): Uint8Array[] {
  const last = policies.at(-1)
  if (last === undefined || policies.length > mostAdmitted) throw new TypeError('one to three boots read the key')
  return [...policies, ...Array.from({ length: mostAdmitted - policies.length }, () => last)]
}

export async function writeAdmitted(tpm: Swtpm, defined: Defined, policies: readonly Uint8Array[]): Promise<void> {
  const { admitted } = indices
  const present = defined.has(admitted.index)
  if (policies.length === 1) {
    if (present) await undefine(tpm, admitted)
    return
  }
  const digests = admittedList(policies).map((policy) => Buffer.concat([Buffer.from('0020', 'hex'), policy]))
  if (!present) await define(tpm, admitted)
  await write(tpm, admitted, Buffer.concat([Buffer.from([0, 0, 0, mostAdmitted]), ...digests]))
}

export async function defineUpdates(tpm: Swtpm, o: Omit<UpdateRules, 'lowest'>): Promise<void> {
  await define(tpm, indices.rules)
  await writeUpdateRules(tpm, { ...o, lowest: 0 })
  for (const slot of [indices.defaultSlot, indices.otherSlot]) {
    await define(tpm, slot)
    await write(tpm, slot, new Uint8Array())
  }
}

export async function writeUpdateRules(tpm: Swtpm, { publisher, image, lowest }: UpdateRules): Promise<void> {
  const text = `1 ${publisher} ${lowest} ${image}\n`
  if (!form.test(text)) throw new TypeError('these are not rules for updates')
  await write(tpm, indices.rules, Buffer.from(text))
}

const form = /^1 ([0-9a-f]{64}) (\d{1,9}) ([a-z0-9][a-z0-9.-]{0,126})\n$/

/**
 * @returns undefined if the VM accepts no updates: its image has none, or an earlier version created it
 * @throws ServiceError DiskKeyUnreadable for other content
 */
export async function readUpdateRules(tpm: Swtpm, defined: Defined): Promise<UpdateRules | undefined> {
  if (!defined.has(indices.rules.index)) return undefined
  const text = (await readIndex(tpm, indices.rules)).toString('latin1').split('\0', 1)[0] ?? ''
  const [, publisher, lowest, image] = form.exec(text) ?? []
  if (publisher === undefined || image === undefined)
    throw new ServiceError({
      code: 'DiskKeyUnreadable',
      message: 'The vTPM holds update rules in an unknown form.',
      target: 'osDisk',
      expected: 'form 1',
      found: 'another',
      remedy: 'Start the VM with the version of Strongroom that created it.',
    })
  return { publisher, image, lowest: Number(lowest) }
}

/** Contents of the default boot file's slot and of the other. */
export async function readSlots(tpm: Swtpm): Promise<Uint8Array[]> {
  return [await readIndex(tpm, indices.defaultSlot), await readIndex(tpm, indices.otherSlot)]
}

/** `{JWS} {MAC}`, one line, zero-padded: as recipes/common/boot-file writes it. */
const slotForm = /^([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) ([0-9a-f]{64})\n\0*$/

/**
 * What a guest laid down in a slot.
 * @returns undefined for an empty slot, or one of another form; `foreign` without a MAC under the disk's key
 */
export function openSlot(slot: Uint8Array, volumeKey: Uint8Array): { jws: string } | 'foreign' | undefined {
  const [, jws, mac] = slotForm.exec(Buffer.from(slot).toString('latin1')) ?? []
  if (jws === undefined || mac === undefined) return undefined
  return timingSafeEqual(macOf(jws, volumeKey), Buffer.from(mac, 'hex')) ? { jws } : 'foreign'
}

const macOf = (jws: string, volumeKey: Uint8Array): Buffer =>
  createHmac('sha256', volumeKey).update(`strongroom-boot-file:${jws}`).digest()

/** What was laid down from inside the disk counts under the disk's new key too. Whatever else is in a slot does not. */
export async function resealSlots(tpm: Swtpm, keys: { from: Uint8Array; to: Uint8Array }): Promise<void> {
  for (const slot of [indices.defaultSlot, indices.otherSlot]) {
    const found = openSlot(await readIndex(tpm, slot), keys.from)
    if (found === undefined || found === 'foreign') continue
    await write(tpm, slot, Buffer.from(`${found.jws} ${macOf(found.jws, keys.to).toString('hex')}\n`))
  }
}
