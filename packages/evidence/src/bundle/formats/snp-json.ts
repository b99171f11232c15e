import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { concat } from '../../core/bytes/bytes.ts'
import { encodeTcb } from '../../snp/tcb.ts'
import { productOfCpu, type SnpProduct } from '../../snp/products.ts'
import { snpReportLength } from '../../snp/report.ts'

type Members = Record<string, unknown>
/** Bytes of a member's value. @throws RangeError or TypeError for an invalid value */
type Form = (value: unknown, product: SnpProduct) => Uint8Array

/** Least significant byte first. */
const number =
  (size: 1 | 4 | 8): Form =>
  (value) =>
    new ByteWriter()
      .u64le(BigInt(whole(value, Math.min(2 ** (8 * size) - 1, Number.MAX_SAFE_INTEGER))))
      .finish()
      .subarray(0, size)

const list =
  (length: number): Form =>
  (value) => {
    if (!Array.isArray(value) || value.length !== length) throw new RangeError('not a list of this length')
    return Uint8Array.from(value, (byte: unknown) => whole(byte, 255))
  }

/** Present in later report versions; zeros in earlier ones. */
const optional =
  (form: Form): Form =>
  (value, product) =>
    form(value ?? 0, product)

const tcb: Form = (value, product) => {
  const { fmc = 0, bootloader, tee, snp, microcode } = value as Members
  const part = (svn: unknown): number => whole(svn, 255)
  const parts = { bootLoader: part(bootloader), tee: part(tee), snp: part(snp), microcode: part(microcode) }
  return new ByteWriter().u64le(encodeTcb({ fmc: part(fmc ?? 0), ...parts }, product)).finish()
}

const version: Form = (value) => {
  const { build, minor, major } = value as Members
  return Uint8Array.of(whole(build, 255), whole(minor, 255), whole(major, 255))
}

const signature: Form = (value, product) => {
  const { r, s } = value as Members
  return concat(list(72)(r, product), list(72)(s, product))
}

/** Offset of each member's bytes (AMD 56860, ATTESTATION_REPORT). */
const layout: readonly (readonly [member: string, at: number, form: Form])[] = [
  ['version', 0x00, number(4)],
  ['guest_svn', 0x04, number(4)],
  ['policy', 0x08, number(8)],
  ['family_id', 0x10, list(16)],
  ['image_id', 0x20, list(16)],
  ['vmpl', 0x30, number(4)],
  ['sig_algo', 0x34, number(4)],
  ['current_tcb', 0x38, tcb],
  ['plat_info', 0x40, number(8)],
  ['key_info', 0x48, number(4)],
  ['report_data', 0x50, list(64)],
  ['measurement', 0x90, list(48)],
  ['host_data', 0xc0, list(32)],
  ['id_key_digest', 0xe0, list(48)],
  ['author_key_digest', 0x110, list(48)],
  ['report_id', 0x140, list(32)],
  ['report_id_ma', 0x160, list(32)],
  ['reported_tcb', 0x180, tcb],
  ['cpuid_fam_id', 0x188, optional(number(1))],
  ['cpuid_mod_id', 0x189, optional(number(1))],
  ['cpuid_step', 0x18a, optional(number(1))],
  ['chip_id', 0x1a0, list(64)],
  ['committed_tcb', 0x1e0, tcb],
  ['current', 0x1e8, version],
  ['committed', 0x1ec, version],
  ['launch_tcb', 0x1f0, tcb],
  ['launch_mit_vector', 0x1f8, optional(number(8))],
  ['current_mit_vector', 0x200, optional(number(8))],
  ['signature', 0x2a0, signature],
]

/** Names of the members of such a report. */
export const reportMembers: readonly string[] = layout.map(([member]) => member)

const parts: ReadonlySet<string> = new Set('fmc bootloader tee snp microcode build minor major r s'.split(' '))

/** Members inside those of such a report that have no place in its bytes, each with its value. */
export function unreadInReport(m: Members): [place: string, value: unknown][] {
  return reportMembers.flatMap((member) => {
    const value = m[member]
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
    const inner = Object.entries(value as Members).filter(([name]) => !parts.has(name))
    return inner.map(([name, unread]): [string, unknown] => [`${member} ${name}`, unread])
  })
}

/**
 * Rebuilds, member by member, the bytes of a report that the Rust crate `sev` wrote as JSON. The signature covers the
 * bytes, so nothing is trusted. Undefined if the members are not those of a report, or have a value without bytes.
 */
export function encodeSnpReport(m: Members): Uint8Array | undefined {
  const cpu = { family: m['cpuid_fam_id'] as number, model: m['cpuid_mod_id'] as number }
  const product = productOfCpu(cpu) ?? 'Milan'
  const report = new Uint8Array(snpReportLength)
  try {
    for (const [member, at, form] of layout) report.set(form(m[member], product), at)
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined
    throw error
  }
  return report
}

function whole(value: unknown, maximum: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > maximum)
    throw new RangeError('not a whole number in range')
  return value as number
}
