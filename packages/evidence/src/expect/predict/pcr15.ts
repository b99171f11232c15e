import { equal, utf8 } from '../../core/bytes/bytes.ts'
import { digest, forWebCrypto } from '../../core/bytes/digest.ts'
import { toHex } from '../../core/bytes/hex.ts'
import type { UserspaceRecord } from '../../eventlog/userspace-log.ts'
import { VerificationError } from '../../core/errors.ts'
import { extendAll, textDigest } from './pcr.ts'

/**
 * Register into which the reference image's initrd measures the volume it opens, before mounting it.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { volumeRegister } from '@strongroom/evidence/expected'
 *
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * // Its quote does not cover the volume.
 * Object.hasOwn(boot.measuredBoot.pcrs, String(volumeRegister)) // => false
 */
export const volumeRegister = 15

/**
 * What the initrd extends into the register last: everything before it comes from the signed initrd.
 * @example
 * import { parseVolumeText, volumeSeparator } from '@strongroom/evidence/expected'
 *
 * parseVolumeText(volumeSeparator) // => undefined
 */
export const volumeSeparator = 'strongroom:leave-initrd'

/**
 * The only form of an encrypted OS disk; the initrd has the same constants. No disk header is read.
 * @example
 * import { volumeForm } from '@strongroom/evidence/expected'
 *
 * volumeForm.cipher // => 'aes-xts-plain64'
 * volumeForm.keyBits // => 512
 */
export const volumeForm = { cipher: 'aes-xts-plain64', keyBits: 512, sectorBytes: 4096, offsetSectors: 32768 } as const

/** How an encrypted OS disk is mapped, as the initrd measured it. */
export interface Volume {
  /** dm-crypt's name. */
  cipher: string
  keyBits: number
  sectorBytes: number
  /** From the start of the partition to the data, in sectors of 512 bytes. */
  offsetSectors: number
  luksUuid: string
  /** HMAC-SHA-256 under the volume key over the rest, hexadecimal: unique to the volume, and reveals nothing about the key. */
  keyDigest: string
  /**
   * How often it was opened, this boot included, by the disk's count and the vTPM's, which agreed: an older state of the disk has a lower
   * one. Absent for initrds that do not count.
   */
  count?: number
}

const describe = (luksUuid: string): string => {
  const { cipher, keyBits, sectorBytes, offsetSectors } = volumeForm
  return ['strongroom-volume', 1, cipher, keyBits, sectorBytes, offsetSectors, luksUuid].join(':')
}

/**
 * The text that a boot measures when it opens a volume: form, UUID, and a MAC over both under the volume key.
 * @example
 * import { volumeText } from '@strongroom/evidence/expected'
 *
 * const text = await volumeText({ volumeKey: new Uint8Array(64), luksUuid: '01234567-89ab-cdef-0123-456789abcdef' })
 * text.split(':').slice(0, 3) // => ['strongroom-volume', '1', 'aes-xts-plain64']
 */
export async function volumeText(o: { volumeKey: Uint8Array; luksUuid: string }): Promise<string> {
  const text = describe(o.luksUuid)
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', forWebCrypto(o.volumeKey), algorithm, false, ['sign'])
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, forWebCrypto(utf8(text))))
  return `${text}:${toHex(mac)}`
}

/**
 * Digest extended for a text of volumeText.
 * @example
 * import { digest, toHex, utf8 } from '@strongroom/evidence'
 * import { volumeDigest, volumeSeparator } from '@strongroom/evidence/expected'
 *
 * toHex(await volumeDigest(volumeSeparator)) === toHex(await digest('SHA-256', utf8(volumeSeparator))) // => true
 */
export async function volumeDigest(text: string): Promise<Uint8Array> {
  return await digest('SHA-256', utf8(text))
}

const form =
  /^strongroom-volume:1:([a-z0-9-]{1,40}):(\d{1,5}):(\d{1,5}):(\d{1,9}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9a-f]{64})$/

/**
 * @returns undefined if the text describes no volume
 * @example
 * import { parseVolumeText, volumeText } from '@strongroom/evidence/expected'
 *
 * const text = await volumeText({ volumeKey: new Uint8Array(64), luksUuid: '01234567-89ab-cdef-0123-456789abcdef' })
 * parseVolumeText(text)?.cipher // => 'aes-xts-plain64'
 * parseVolumeText('machine-id:0') // => undefined
 */
export function parseVolumeText(text: string): Volume | undefined {
  const [, cipher, keyBits, sectorBytes, offsetSectors, luksUuid, keyDigest] = form.exec(text) ?? []
  if (cipher === undefined || luksUuid === undefined || keyDigest === undefined) return undefined
  return {
    cipher,
    keyBits: Number(keyBits),
    sectorBytes: Number(sectorBytes),
    offsetSectors: Number(offsetSectors),
    luksUuid,
    keyDigest,
  }
}

const countForm = /^strongroom-disk-count:1:([0-9a-f-]{36}):([0-9a-f]{16})$/

/** What the initrd measures between volume and separator. @returns undefined if it is not this volume's count */
async function countOf(record: UserspaceRecord, { luksUuid }: Volume): Promise<number | undefined> {
  const [, uuid, count] = countForm.exec(record.text) ?? []
  const same = uuid === luksUuid && equal(await volumeDigest(record.text), record.digest)
  return same ? Number(`0x${count}`) : undefined
}

/**
 * Verifies which volume a boot opened: the log's records of PCR 15 replay to the quoted register, and begin with the volume's, its
 * count if the initrd counts, and the initrd's separator. Later records come from the root file system and are ignored.
 * @param o.expected digest of the volume that the VM was created with (volumeDigest)
 * @returns how it was mapped: the text whose digest was measured
 * @throws VerificationError EventLogMismatch if the log does not replay to the register, VolumeMismatch for another
 * volume or none
 * @example
 * import { digest } from '@strongroom/evidence'
 * import { verifyVolume, volumeDigest, volumeRegister, volumeSeparator, volumeText } from '@strongroom/evidence/expected'
 *
 * const volumeKey = new Uint8Array(64)
 * const text = await volumeText({ volumeKey, luksUuid: '01234567-89ab-cdef-0123-456789abcdef' })
 * const log = await Promise.all(
 *   [text, volumeSeparator].map(async (each) => ({ pcr: volumeRegister, digest: await volumeDigest(each), text: each })),
 * )
 * let quoted = new Uint8Array(32) // in practice: PCR 15 of a quote
 * for (const record of log) quoted = new Uint8Array(await digest('SHA-256', quoted, record.digest))
 * const { luksUuid } = await verifyVolume({ log, quoted, expected: await volumeDigest(text) })
 * luksUuid // => '01234567-89ab-cdef-0123-456789abcdef'
 */
export async function verifyVolume(o: {
  log: readonly UserspaceRecord[]
  quoted: Uint8Array
  expected: Uint8Array
}): Promise<Volume> {
  const records = await replayedRecords(o)
  const separator = await textDigest(volumeSeparator)
  const end = records.findIndex((record) => equal(record.digest, separator))
  const [first, counted, ...more] = records.slice(0, Math.max(end, 0))
  const same =
    first !== undefined &&
    equal(first.digest, o.expected) &&
    // The text is only the log's claim until its digest equals the measured one.
    equal(await volumeDigest(first.text), first.digest)
  const volume = same ? parseVolumeText(first.text) : undefined
  if (volume !== undefined && counted === undefined) return volume
  const count = volume && counted && more.length === 0 ? await countOf(counted, volume) : undefined
  if (volume !== undefined && count !== undefined) return { ...volume, count }
  throw new VerificationError({
    code: 'VolumeMismatch',
    message: `PCR ${volumeRegister} does not begin with the volume that this VM was made with.`,
    expected: `${toHex(o.expected)} with its text`,
    found:
      records
        .slice(0, 3)
        .map((record) => toHex(record.digest))
        .join(', ') || 'nothing',
  })
}

/** What was measured into PCR 15, if the log replays to it. @throws VerificationError EventLogMismatch */
export async function replayedRecords(o: {
  log: readonly UserspaceRecord[]
  quoted: Uint8Array
}): Promise<UserspaceRecord[]> {
  const records = o.log.filter(({ pcr }) => pcr === volumeRegister)
  const value = await extendAll(records.map(({ digest }) => digest))
  if (equal(value, o.quoted)) return records
  throw new VerificationError({
    code: 'EventLogMismatch',
    message: `The log of user space does not replay to PCR ${volumeRegister}.`,
    expected: toHex(o.quoted),
    found: toHex(value),
  })
}
