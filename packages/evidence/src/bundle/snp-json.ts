import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { encodeTcb } from '../snp/tcb.ts'
import { productOfCpu } from '../snp/products.ts'
import { snpReportLength } from '../snp/report.ts'

type Members = Record<string, unknown>

/**
 * The bytes of a report that the Rust crate `sev` wrote as JSON, member by member: the signature is over the bytes, so nothing
 * is taken on trust. Undefined where the members are not such a report's, or say something that has no bytes.
 */
export function encodeSnpReport(m: Members): Uint8Array | undefined {
  if (typeof m['guest_svn'] !== 'number' || !Array.isArray(m['measurement']) || m['reported_tcb'] === undefined)
    return undefined
  try {
    const cpu = [m['cpuid_fam_id'], m['cpuid_mod_id'], m['cpuid_step']].map((value) =>
      value === undefined || value === null ? 0 : whole(value, 255),
    )
    const [family = 0, model = 0, stepping = 0] = cpu
    const product = family === 0 ? 'Milan' : (productOfCpu({ family, model, stepping }) ?? 'Milan')
    const tcb = (name: string): bigint => readTcb(m[name], product)
    const signature = m['signature'] as Members
    const writer = new ByteWriter()
      .u32le(whole(m['version'], 0xffffffff))
      .u32le(whole(m['guest_svn'], 0xffffffff))
      .u64le(BigInt(whole(m['policy'], Number.MAX_SAFE_INTEGER)))
      .bytes(list(m['family_id'], 16))
      .bytes(list(m['image_id'], 16))
      .u32le(whole(m['vmpl'], 0xffffffff))
      .u32le(whole(m['sig_algo'], 0xffffffff))
      .u64le(tcb('current_tcb'))
      .u64le(BigInt(whole(m['plat_info'], Number.MAX_SAFE_INTEGER)))
      .u32le(whole(m['key_info'], 0xffffffff))
      .zero(4)
      .bytes(list(m['report_data'], 64))
      .bytes(list(m['measurement'], 48))
      .bytes(list(m['host_data'], 32))
      .bytes(list(m['id_key_digest'], 48))
      .bytes(list(m['author_key_digest'], 48))
      .bytes(list(m['report_id'], 32))
      .bytes(list(m['report_id_ma'], 32))
      .u64le(tcb('reported_tcb'))
      .bytes(Uint8Array.of(family, model, stepping))
      .zero(21)
      .bytes(list(m['chip_id'], 64))
      .u64le(tcb('committed_tcb'))
      .bytes(version(m['current']))
      .bytes(version(m['committed']))
      .u64le(tcb('launch_tcb'))
    for (const name of ['launch_mit_vector', 'current_mit_vector']) {
      const value = m[name]
      writer.u64le(typeof value === 'number' ? BigInt(whole(value, Number.MAX_SAFE_INTEGER)) : 0n)
    }
    const head = writer.finish()
    const report = new Uint8Array(snpReportLength)
    report.set(head)
    report.set(list(signature['r'], 72), 0x2a0)
    report.set(list(signature['s'], 72), 0x2a0 + 72)
    return report
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined
    throw error
  }
}

function whole(value: unknown, maximum: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > maximum) {
    throw new RangeError('not a whole number in range')
  }
  return value
}

function list(value: unknown, length: number): Uint8Array {
  if (!Array.isArray(value) || value.length !== length) throw new RangeError('not a list of this length')
  return Uint8Array.from(value, (byte: unknown) => whole(byte, 255))
}

function readTcb(value: unknown, product: 'Milan' | 'Genoa' | 'Turin'): bigint {
  const tcb = value as Members
  return encodeTcb(
    {
      fmc: whole(tcb['fmc'] ?? 0, 255),
      bootLoader: whole(tcb['bootloader'], 255),
      tee: whole(tcb['tee'], 255),
      snp: whole(tcb['snp'], 255),
      microcode: whole(tcb['microcode'], 255),
    },
    product,
  )
}

/** Build, minor, major, reserved. */
function version(value: unknown): Uint8Array {
  const { build, minor, major } = value as Members
  return Uint8Array.of(whole(build, 255), whole(minor, 255), whole(major, 255), 0)
}
