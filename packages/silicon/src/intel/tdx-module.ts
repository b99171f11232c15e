import {
  ByteWriter,
  digest,
  equal,
  forWebCrypto,
  parseTdReport,
  type TdReport,
  VerificationError,
  utf8,
  verifyTdReportHashes,
} from '@strongroom/evidence'
import { mrtd } from '@strongroom/evidence/expected'
import type { TdxGuest, TdxLaunch } from './tdx-platform.ts'
import { platformTcb } from './platform-tcb.ts'

const septVeDisable = 1n << 28n
/** x87, SSE, AVX, AVX-512, PKRU, CET, AMX: as in Azure's TDs. */
const defaultXfam = 0x618e7n

/** Simulated TDX module: measures TDs and vouches for them to its own platform with a MAC under a key that never leaves. */
export class TdxModule {
  readonly #macKey: CryptoKey
  readonly #mrSeam: Uint8Array

  constructor(macKey: CryptoKey, mrSeam: Uint8Array) {
    this.#macKey = macKey
    this.#mrSeam = mrSeam
  }

  /** @param secret 32 bytes or more */
  static async create(secret: Uint8Array): Promise<TdxModule> {
    const key = await crypto.subtle.importKey('raw', forWebCrypto(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign',
      'verify',
    ])
    return new TdxModule(key, await digest('SHA-384', utf8('Strongroom simulated TDX module')))
  }

  async launch(o: TdxLaunch): Promise<TdxGuest> {
    const measurement = await mrtd({ firmware: o.firmware })
    const { mrConfigId = new Uint8Array(48), attributes = septVeDisable, xfam = defaultXfam } = o
    if (mrConfigId.length !== 48) throw new RangeError(`MRCONFIGID has ${mrConfigId.length} bytes, not 48`)
    const tdInfo = new ByteWriter()
      .u64le(attributes)
      .u64le(xfam)
      .bytes(measurement)
      .bytes(mrConfigId)
      .zero(400)
      .finish()
    return {
      mrtd: measurement,
      tdReport: async (reportData) => {
        if (reportData.length !== 64) throw new RangeError(`Report data has ${reportData.length} bytes, not 64`)
        return this.#report(tdInfo, reportData)
      },
    }
  }

  /**
   * Checks that this module made a TDREPORT.
   * @throws VerificationError ReportMacInvalid, BindingMismatch
   * @throws ParseError
   */
  async verify(bytes: Uint8Array): Promise<TdReport> {
    const report = parseTdReport(bytes)
    const valid = await crypto.subtle.verify(
      'HMAC',
      this.#macKey,
      forWebCrypto(report.mac),
      forWebCrypto(report.macCovered),
    )
    if (!valid) {
      throw new VerificationError({
        code: 'ReportMacInvalid',
        message: 'The TDREPORT was not made by the TDX module of this platform',
        subject: 'TDREPORT',
      })
    }
    await verifyTdReportHashes(report)
    if (!equal(report.body.mrSeam, this.#mrSeam)) {
      throw new VerificationError({
        code: 'TdxModuleMismatch',
        message: 'The TDREPORT names another TDX module',
        subject: 'TDREPORT',
      })
    }
    return report
  }

  async #report(tdInfo: Uint8Array, reportData: Uint8Array): Promise<Uint8Array> {
    // MRSIGNERSEAM and attributes are zero, as for a module signed by the processor's vendor.
    const valid = 0x1ffn
    const teeTcbInfo = new ByteWriter()
      .u64le(valid)
      .bytes(platformTcb.teeTcbSvn)
      .bytes(this.#mrSeam)
      .zero(48)
      .zero(8)
      .zero(111)
      .finish()
    const covered = new ByteWriter()
      .bytes(Uint8Array.of(0x81, 0, 0, 0))
      .zero(12)
      .bytes(platformTcb.cpuSvn)
      .bytes(await digest('SHA-384', teeTcbInfo))
      .bytes(await digest('SHA-384', tdInfo))
      .bytes(reportData)
      .zero(32)
      .finish()
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', this.#macKey, covered))
    return new ByteWriter().bytes(covered).bytes(mac).bytes(teeTcbInfo).zero(17).bytes(tdInfo).finish()
  }
}
