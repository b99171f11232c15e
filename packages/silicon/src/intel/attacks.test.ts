import {
  parseTdxQuote,
  type TdxCollateral,
  toHex,
  type TrustAnchors,
  utf8,
  VerificationError,
  verifyTdx,
} from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCrl } from '../pki/crl-writer.ts'
import { loadOrCreateKey, signRaw, type SigningKey } from '../pki/keys.ts'
import { toPem } from '../pki/pem-writer.ts'
import type { TdxPlatform } from './tdx-platform.ts'
import { intelNames } from './certificates.ts'
import { createIntelPlatform } from './platform.ts'

// The holder of an installation's keys can sign anything. These texts are validly signed with forbidden content.

const values = new Map<string, Uint8Array>()
const store = {
  load: async (name: string) => values.get(name),
  save: async (name: string, bytes: Uint8Array) => void values.set(name, bytes),
}
const at = new Date('2026-11-25T10:00:00Z')
const month = new Date('2026-12-20T10:00:00Z')
let platform: TdxPlatform
let collateral: TdxCollateral
let quote: Uint8Array
let anchors: TrustAnchors

const key = (name: string): Promise<SigningKey> =>
  loadOrCreateKey(store, `simulated-intel-${name}`, 'ecdsa-p256-sha256')

beforeAll(async () => {
  platform = await createIntelPlatform({ keys: store, clock: { now: () => at } })
  collateral = await platform.collateral()
  const td = await platform.launch({ firmware: new Uint8Array(4096) })
  quote = await platform.quote(await td.tdReport(new Uint8Array(64).fill(5)))
  anchors = { simulated: true, amd: [], intel: [platform.anchor] }
})

async function outcome(changed: Partial<TdxCollateral>, bytes = quote): Promise<string> {
  try {
    return (await verifyTdx({ quote: parseTdxQuote(bytes), collateral: { ...collateral, ...changed }, anchors, at }))
      .tcbStatus
  } catch (error) {
    if (error instanceof VerificationError) return error.code
    throw error
  }
}

/** The text with a replacement in its body, signed again. */
async function signedAgain(
  text: string,
  member: string,
  from: string | RegExp,
  to: string,
  signer = 'tcb-signing',
): Promise<string> {
  const body = text.slice(`{"${member}":`.length, text.lastIndexOf(',"signature"')).replace(from, to)
  return `{"${member}":${body},"signature":"${toHex(await signRaw(await key(signer), utf8(body)))}"}`
}

const info = (from: string | RegExp, to: string, signer?: string): Promise<string> =>
  signedAgain(collateral.tcbInfo, 'tcbInfo', from, to, signer)
const identity = (from: string | RegExp, to: string): Promise<string> =>
  signedAgain(collateral.qeIdentity, 'enclaveIdentity', from, to)

/** The quote with changed bytes in header or body, signed again by the attestation key. */
async function quotedAgain(change: (bytes: Uint8Array) => void): Promise<Uint8Array> {
  const bytes = Uint8Array.from(quote)
  change(bytes)
  bytes.set(await signRaw(await key('attestation'), bytes.subarray(0, 632)), 636)
  return bytes
}

describe('evidence that is signed well and not in order', () => {
  it('is accepted unchanged, so that each refusal below is for its own reason', async () => {
    expect(await outcome({})).toBe('UpToDate')
    expect(await outcome({ tcbInfo: await info('x', 'x') })).toBe('UpToDate')
    expect(await outcome({}, await quotedAgain(() => undefined))).toBe('UpToDate')
  })

  it('is refused for another kind of platform or provisioning enclave', async () => {
    expect(await outcome({ tcbInfo: await info('53494D000001', '53494D000002') })).toBe('FmspcMismatch')
    expect(await outcome({ tcbInfo: await info('"pceId":"0000"', '"pceId":"0100"') })).toBe('PceIdMismatch')
  })

  it('is refused before its issue date and after its next update', async () => {
    expect(await outcome({ tcbInfo: await info(/"issueDate":"[^"]*"/, '"issueDate":"2026-11-25T10:00:01Z"') })).toBe(
      'CollateralNotYetValid',
    )
    expect(await outcome({ tcbInfo: await info(/"nextUpdate":"[^"]*"/, '"nextUpdate":"2026-11-25T09:59:59Z"') })).toBe(
      'CollateralExpired',
    )
    expect(
      await outcome({ qeIdentity: await identity(/"nextUpdate":"[^"]*"/, '"nextUpdate":"2026-11-25T09:59:59Z"') }),
    ).toBe('CollateralExpired')
  })

  it('is refused when it comes from another quoting enclave', async () => {
    expect(await outcome({ qeIdentity: await identity(/"mrsigner":"../, '"mrsigner":"00') })).toBe('QeIdentityMismatch')
    expect(await outcome({ qeIdentity: await identity('"isvprodid":2', '"isvprodid":1') })).toBe('QeIdentityMismatch')
    expect(await outcome({ qeIdentity: await identity('"attributes":"11', '"attributes":"13') })).toBe(
      'QeIdentityMismatch',
    )
    expect(await outcome({ qeIdentity: await identity('"miscselect":"00000000"', '"miscselect":"00000001"') })).toBe(
      'QeIdentityMismatch',
    )
    expect(await outcome({}, await quotedAgain((bytes) => bytes.fill(0, 12, 28)))).toBe('QeVendorMismatch')
  })

  it('says how old the quoting enclave, the module or the platform is', async () => {
    expect(await outcome({ qeIdentity: await identity('"isvsvn":7', '"isvsvn":8') })).toBe('NoMatchingLevel')
    expect(await outcome({ qeIdentity: await identity('"UpToDate"', '"OutOfDate"') })).toBe('OutOfDate')
    expect(await outcome({ qeIdentity: await identity('"UpToDate"', '"Revoked"') })).toBe('Revoked')
    expect(await outcome({ tcbInfo: await info('"pcesvn":13', '"pcesvn":14') })).toBe('OutOfDate')
    const oldModule = await quotedAgain((bytes) => bytes.fill(6, 48, 49))
    expect(await outcome({}, oldModule)).toBe('OutOfDate')
    expect(await outcome({}, await quotedAgain((bytes) => bytes.fill(2, 50, 51)))).toBe('NoMatchingLevel')
  })

  it('is refused with a TDX module that nobody named or that another signed', async () => {
    expect(await outcome({}, await quotedAgain((bytes) => bytes.fill(3, 49, 50)))).toBe('TdxModuleMismatch')
    expect(await outcome({}, await quotedAgain((bytes) => bytes.fill(1, 112, 113)))).toBe('TdxModuleMismatch')
    expect(await outcome({}, await quotedAgain((bytes) => bytes.fill(1, 160, 161)))).toBe('TdxModuleMismatch')
  })

  it('is refused when the PCK or its authority was revoked', async () => {
    const { certification } = parseTdxQuote(quote)
    if (certification.type !== 'pckChain') throw new TypeError('no chain')
    const serials = certification.chain.map((der) => serialOf(der))
    const list = { number: 9n, thisUpdate: at, nextUpdate: month }
    const entry = (index: number): { serialNumber: bigint; date: Date }[] => [
      { serialNumber: serials[index] ?? 0n, date: at },
    ]
    const pckCrl = await issueCrl({
      ...list,
      issuer: intelNames.platformCa,
      signer: await key('platform-ca'),
      revoked: entry(0),
    })
    expect(await outcome({ pckCrl })).toBe('CertificateRevoked')
    const rootCaCrl = await issueCrl({ ...list, issuer: intelNames.root, signer: await key('root'), revoked: entry(1) })
    expect(await outcome({ rootCaCrl })).toBe('CertificateRevoked')
    const forged = await issueCrl({ ...list, issuer: intelNames.platformCa, signer: await key('pck') })
    expect(await outcome({ pckCrl: forged })).toBe('CrlSignatureInvalid')
  })

  it('is refused when a certificate for another use signed it', async () => {
    const { certification } = parseTdxQuote(quote)
    if (certification.type !== 'pckChain') throw new TypeError('no chain')
    const [pck = new Uint8Array(), platformCa = new Uint8Array(), root = new Uint8Array()] = certification.chain
    const byPck = { tcbInfo: await info('x', 'x', 'pck'), tcbInfoIssuerChainPem: toPem([pck, platformCa, root]) }
    expect(await outcome(byPck)).toBe('PathTooLong')
    const byAuthority = {
      tcbInfo: await info('x', 'x', 'platform-ca'),
      tcbInfoIssuerChainPem: toPem([platformCa, root]),
    }
    expect(await outcome(byAuthority)).toBe('CertificateNotForThisUse')
    // A quote under the TCB signer's certificate, which chains to the same root and lacks the SGX extension.
    const chain = utf8(collateral.tcbInfoIssuerChainPem)
    const { raw } = parseTdxQuote(quote)
    const start = raw.length - utf8(toPem([pck, platformCa, root])).length
    const under = new Uint8Array(start + chain.length)
    under.set(raw.subarray(0, start))
    under.set(chain, start)
    const view = new DataView(under.buffer)
    view.setUint32(start - 4, chain.length, true)
    view.setUint32(632, under.length - 636, true)
    view.setUint32(766, under.length - 770, true)
    expect(['CertificateNotForThisUse', 'CrlIssuerMismatch']).toContain(await outcome({}, under))
    expect(await outcome({ pckCrl: collateral.rootCaCrl }, under)).toBe('CertificateNotForThisUse')
  })
})

/** Serial number of a certificate: the INTEGER after the version. */
function serialOf(der: Uint8Array): bigint {
  const text = toHex(der)
  const at = text.indexOf('a003020102') + 10
  const length = Number.parseInt(text.slice(at + 2, at + 4), 16)
  return BigInt(`0x${text.slice(at + 4, at + 4 + 2 * length)}`)
}
