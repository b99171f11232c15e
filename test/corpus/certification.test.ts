import { beforeAll, describe, expect, it } from 'vitest'
import {
  ByteWriter,
  concat,
  firstFailure,
  parseCertificate,
  parseTdxQuote,
  readPckExtension,
  type TdxCollateral,
  utf8,
  verifyTdx,
} from '@strongroom/evidence'
import { detect, judge } from '@strongroom/evidence/files'
import type { Silicon } from '@strongroom/silicon'
import { settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import { makeSilicon } from './boot.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 120_000

/** The same quote with other certification data, which is unsigned, so the platform's signatures stay valid. */
function certifiedBy(quote: Uint8Array, kind: number, data: Uint8Array): Uint8Array {
  const { signed, signature, attestationKey, qeReport, qeReportSignature, qeAuthenticationData } = parseTdxQuote(quote)
  const inner = new ByteWriter()
    .bytes(qeReport.raw)
    .bytes(qeReportSignature)
    .u16le(qeAuthenticationData.length)
    .bytes(qeAuthenticationData)
    .u16le(kind)
    .u32le(data.length)
    .bytes(data)
    .finish()
  const outer = new ByteWriter()
    .bytes(signature)
    .bytes(attestationKey)
    .u16le(6)
    .u32le(inner.length)
    .bytes(inner)
    .finish()
  return new ByteWriter().bytes(signed).u32le(outer.length).bytes(outer).finish()
}

describe('a TD quote that names its certificate instead of carrying it', { timeout: making }, () => {
  const at = settableClock().now()
  let silicon: Silicon
  let collateral: TdxCollateral
  let chain: readonly Uint8Array[]
  let quote: Uint8Array
  let names: (kind: 1 | 2 | 3, change?: { cpuSvn?: Uint8Array; pceSvn?: number }) => Uint8Array

  beforeAll(async () => {
    silicon = await makeSilicon()
    const td = await silicon.intel.launch({ firmware: tinyFirmware() })
    quote = await silicon.intel.quote(await td.tdReport(new Uint8Array(64)))
    collateral = await silicon.intel.collateral()
    const { certification } = parseTdxQuote(quote)
    chain = certification.type === 'pckChain' ? certification.chain : []
    const pck = readPckExtension(parseCertificate(chain[0]!))
    names = (kind, change = {}) => {
      const encrypted = new Uint8Array(kind === 2 ? 256 : 384).fill(0xee)
      const named = new ByteWriter().bytes(kind === 1 ? pck.ppid : encrypted).bytes(change.cpuSvn ?? pck.cpuSvn)
      return named
        .u16le(change.pceSvn ?? pck.pceSvn)
        .bytes(pck.pceId)
        .finish()
    }
  }, making)

  const verified = async (bytes: Uint8Array, pckChain?: readonly Uint8Array[]): Promise<string> => {
    const o = { quote: parseTdxQuote(bytes), collateral, anchors: silicon.anchors, at, pckChain }
    return verifyTdx(o).then(
      ({ tcbStatus }) => tcbStatus,
      (error: unknown) => (error as { code: string }).code,
    )
  }

  it.each([1, 2, 3] as const)('by data of type %i is verified with the certificate beside it', async (kind) => {
    const named = certifiedBy(quote, kind, names(kind))
    expect(await verified(named, chain)).toBe('UpToDate')
    expect(await verified(named)).toBe('CertificationDataNotSupported')
  })

  it('is refused with a certificate of other versions', async () => {
    for (const change of [{ pceSvn: 1 }, { cpuSvn: new Uint8Array(16) }]) {
      expect(await verified(certifiedBy(quote, 3, names(3, change)), chain)).toBe('CertificateNotForThisUse')
    }
  })

  it('is refused with the certificate of another platform, and with a chain that is none', async () => {
    const other = await makeSilicon()
    const td = await other.intel.launch({ firmware: tinyFirmware() })
    const { certification } = parseTdxQuote(await other.intel.quote(await td.tdReport(new Uint8Array(64))))
    const theirs = certification.type === 'pckChain' ? certification.chain : []
    expect(await verified(certifiedBy(quote, 3, names(3)), theirs)).toBe('UntrustedRoot')
    expect(await verified(certifiedBy(quote, 3, names(3)), [theirs[0]!, ...chain.slice(1)])).not.toBe('UpToDate')
    expect(await verified(certifiedBy(quote, 3, names(3)), chain.slice(1))).not.toBe('UpToDate')
  })

  it('finds its certificate among files, and cannot be judged without it', async () => {
    const texts = [
      ['tcb', collateral.tcbInfo],
      ['qe', collateral.qeIdentity],
      ['signer', collateral.tcbInfoIssuerChainPem],
      ['authorities', collateral.pckCrlIssuerChainPem],
    ] as const
    const pieces = [
      ...detect('quote', certifiedBy(quote, 3, names(3))),
      ...texts.flatMap(([name, text]) => detect(name, utf8(text))),
      ...detect('pck.crl', collateral.pckCrl),
      ...detect('root.crl', collateral.rootCaCrl),
    ]
    const without = await judge({ pieces, anchors: silicon.anchors, at })
    expect([without.verdict, without.code]).toEqual(['unjudged', undefined])
    const pck = detect('pck', utf8(toPem(chain.slice(0, 1))))
    const whole = await judge({ pieces: [...pieces, ...pck], anchors: silicon.anchors, at })
    expect([whole.verdict, firstFailure(whole.check)]).toEqual(['accepted', undefined])
  })

  it.each([0, 4, 7, 8])('by data of type %i, which no quoting enclave writes here, cannot be read', (kind) => {
    expect(() => parseTdxQuote(certifiedBy(quote, kind, concat(new Uint8Array(8))))).toThrow(
      expect.objectContaining({ code: 'UnknownType' }),
    )
  })
})
