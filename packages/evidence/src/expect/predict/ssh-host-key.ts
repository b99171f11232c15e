import { fromBase64 } from '../../core/bytes/base64.ts'
import { concat, equal, utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import type { UserspaceRecord } from '../../eventlog/userspace-log.ts'
import { VerificationError } from '../../core/errors.ts'
import { textDigest } from './pcr.ts'
import { replayedRecords, volumeRegister, volumeSeparator } from './pcr15.ts'

const prefix = 'strongroom-ssh-host-key:1:'
/** The only type that images have a host key of. */
const type = 'ssh-ed25519'
/** RFC 8709, section 4: two strings, the type and 32 bytes. */
const header = concat(utf8('\0\0\0\u000b'), utf8(type), utf8('\0\0\0 '))
const isKey = (line: string): boolean => {
  const [, base64 = ''] = /^ssh-ed25519 ([A-Za-z0-9+/]{68})$/.exec(line) ?? []
  return base64 !== '' && equal(fromBase64(base64).subarray(0, header.length), header)
}

/**
 * Verifies which SSH host key a boot measured. After the initrd, the agent extends PCR 15 with it first, once SSH listens;
 * nothing that a program in the guest measures later counts.
 * @param o.log of user space, of which the records of PCR 15 must replay to the register
 * @returns the key as in a line of known_hosts without a name; 'none' if the guest measured that it has none; undefined if
 * it measured nothing after the initrd, as images of earlier versions
 * @throws VerificationError EventLogMismatch if the log does not replay to the register, or a text is not the measured one;
 * HostKeyMismatch for another measurement before it, two keys, or a text that is not a key
 * @example
 * import { digest, utf8 } from '@strongroom/evidence'
 * import { verifySshHostKey, volumeRegister, volumeSeparator } from '@strongroom/evidence/expected'
 *
 * const measured = await digest('SHA-256', utf8(volumeSeparator))
 * const log = [{ pcr: volumeRegister, digest: measured, text: volumeSeparator }]
 * const quoted = await digest('SHA-256', new Uint8Array(32), measured) // in practice: PCR 15 of a quote
 * await verifySshHostKey({ log, quoted }) // => undefined
 */
export async function verifySshHostKey(o: {
  log: readonly UserspaceRecord[]
  quoted: Uint8Array
}): Promise<string | undefined> {
  const records = await replayedRecords(o)
  const separator = await textDigest(volumeSeparator)
  const end = records.findIndex((record) => equal(record.digest, separator))
  const [first, ...later] = end < 0 ? [] : records.slice(end + 1)
  if (first === undefined) return undefined
  await requireMeasured(first)
  const key = first.text.slice(prefix.length)
  if (!first.text.startsWith(prefix) || !(key === 'none' || isKey(key)))
    throw mismatch('The guest measured something other than its SSH host key after the initrd.', first.text)
  for (const record of later) {
    if (!record.text.startsWith(prefix) || record.text === first.text) continue
    await requireMeasured(record)
    throw mismatch('The guest measured two SSH host keys.', `${first.text}, ${record.text}`)
  }
  return key
}

/** The text is only the log's claim until its digest equals the measured one. */
async function requireMeasured({ text, digest }: UserspaceRecord): Promise<void> {
  const found = await textDigest(text)
  if (equal(found, digest)) return
  throw new VerificationError({
    code: 'EventLogMismatch',
    message: `The log of user space has another text for a record of PCR ${volumeRegister} than was measured.`,
    expected: toHex(digest),
    found: `${toHex(found)}, of ${visible(text)}`,
  })
}

const mismatch = (message: string, text: string): VerificationError =>
  new VerificationError({
    code: 'HostKeyMismatch',
    message,
    expected: `${prefix}${type} and its key, once`,
    found: visible(text),
  })

const visible = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 240)
