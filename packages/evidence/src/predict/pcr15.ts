import { equal, utf8 } from '../bytes/bytes.ts'
import { forWebCrypto } from '../bytes/digest.ts'
import { toHex } from '../bytes/hex.ts'
import type { UserspaceRecord } from '../eventlog/userspace-log.ts'
import { VerificationError } from '../result/errors.ts'
import { extendAll, textDigest } from './pcr.ts'

/** Register into which systemd-cryptsetup measures the key of a volume that it opened (crypttab(5), tpm2-measure-pcr=yes). */
export const volumeRegister = 15

/** What the reference image's initrd extends into it as its last act: everything before is the signed initrd's own. */
export const volumeSeparator = 'strongroom:leave-initrd'

/**
 * Digest that systemd-cryptsetup extends for a volume: HMAC-SHA-256 under the volume key over its name and LUKS UUID. Who does
 * not have the volume key cannot make it for another disk, and it gives nothing of the key away.
 * @param o.name as the initrd attaches it, for example root; without a colon
 */
export async function volumeDigest(o: { volumeKey: Uint8Array; name: string; luksUuid: string }): Promise<Uint8Array> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', forWebCrypto(o.volumeKey), algorithm, false, ['sign'])
  const text = forWebCrypto(utf8(`cryptsetup:${o.name}:${o.luksUuid}`))
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, text))
}

/**
 * Verifies which volume a boot opened: the log's records of PCR 15 give the quoted register, and the first two are the volume's
 * and the initrd's separator. What comes later is the root file system's own and counts for nothing.
 * @param o.expected digest of the volume
 * @throws VerificationError EventLogMismatch where the log does not explain the register, VolumeMismatch for another volume or none
 */
export async function verifyVolume(o: {
  log: readonly UserspaceRecord[]
  quoted: Uint8Array
  expected: Uint8Array
}): Promise<void> {
  const records = o.log.filter((record) => record.pcr === volumeRegister)
  const value = await extendAll(records.map((record) => record.digest))
  if (!equal(value, o.quoted)) {
    throw new VerificationError({
      code: 'EventLogMismatch',
      message: `The log of systemd does not replay to PCR ${volumeRegister}.`,
      expected: toHex(o.quoted),
      found: toHex(value),
    })
  }
  const separator = await textDigest(volumeSeparator)
  const [first, second] = records
  if (first !== undefined && equal(first.digest, o.expected) && second !== undefined && equal(second.digest, separator))
    return
  throw new VerificationError({
    code: 'VolumeMismatch',
    message: `PCR ${volumeRegister} does not begin with the volume that this VM was made with: the initrd opened another disk, or none.`,
    expected: `${toHex(o.expected)}, then the initrd's separator`,
    found:
      first === undefined
        ? 'nothing'
        : equal(first.digest, separator)
          ? "the initrd's separator: no encrypted volume was opened"
          : records
              .slice(0, 2)
              .map(({ digest }) => toHex(digest))
              .join(', '),
  })
}
