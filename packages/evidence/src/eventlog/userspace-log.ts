import { fromHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'

/** One register extension, as systemd in the guest recorded it. The names are the recorder's claim; the digest is what the TPM saw. */
export interface UserspaceRecord {
  pcr: number
  /** SHA-256 */
  digest: Uint8Array
  /** `string` of the content, for display. Empty if the record has none. */
  text: string
}

const recordSeparator = 0x1e
/** More records than any boot makes: a few phases, the machine, its file systems and volumes. */
const recordLimit = 4096

/**
 * Reads systemd's log of what it extended after the firmware's log had ended (`/run/log/systemd/tpm2-measure.log`): JSON text
 * sequences (RFC 7464), the records in the form of the TCG Canonical Event Log in JSON.
 * @throws ParseError
 * @example
 * import { utf8 } from '@strongroom/evidence'
 * import { parseUserspaceLog } from '@strongroom/evidence/expected'
 *
 * const digests = [{ hashAlg: 'sha256', digest: '00'.repeat(32) }]
 * const record = { pcr: 11, digests, content_type: 'systemd', content: { string: 'enter-initrd', eventType: 'phase' } }
 * const [first] = parseUserspaceLog(utf8(`\u001e${JSON.stringify(record)}\n`))
 * first?.pcr // => 11
 * first?.text // => 'enter-initrd'
 */
export function parseUserspaceLog(bytes: Uint8Array): UserspaceRecord[] {
  if (bytes.length > 0 && bytes[0] !== recordSeparator)
    throw new ParseError({ code: 'WrongMagic', message: 'userspace log: a record does not begin with its separator' })
  const texts: Uint8Array[] = []
  for (let from = 0; from < bytes.length;) {
    const next = bytes.indexOf(recordSeparator, from + 1)
    const end = next < 0 ? bytes.length : next
    texts.push(bytes.subarray(from + 1, end))
    from = end
    if (texts.length > recordLimit)
      throw new ParseError({ code: 'TooLarge', message: `userspace log: more than ${recordLimit} records` })
  }
  return texts.map(parseRecord)
}

function parseRecord(text: Uint8Array, index: number): UserspaceRecord {
  const record = readJson(text, index)
  const pcr = record['pcr']
  if (typeof pcr !== 'number' || !Number.isInteger(pcr) || pcr < 0 || pcr > 23)
    throw invalid(index, 'names no register from 0 to 23')
  const { digests, content } = record
  const all: unknown[] = Array.isArray(digests) ? digests : []
  const found = all.filter((each): each is { digest: unknown } => isObject(each) && each['hashAlg'] === 'sha256')
  if (found.length > 1)
    throw new ParseError({ code: 'Duplicate', message: `userspace log: record ${index} has two SHA-256 digests` })
  const hex = found[0]?.digest
  if (typeof hex !== 'string' || !/^[0-9a-f]{64}$/i.test(hex)) throw invalid(index, 'has no SHA-256 digest')
  const said = isObject(content) ? content['string'] : undefined
  return { pcr, digest: fromHex(hex.toLowerCase()), text: typeof said === 'string' ? said : '' }
}

function readJson(text: Uint8Array, index: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text))
  } catch (cause) {
    throw new ParseError({ code: 'InvalidEncoding', message: `userspace log: record ${index} is not JSON text`, cause })
  }
  if (!isObject(value)) throw invalid(index, 'is not an object')
  return value
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const invalid = (index: number, what: string): ParseError =>
  new ParseError({ code: 'InvalidValue', message: `userspace log: record ${index} ${what}` })
