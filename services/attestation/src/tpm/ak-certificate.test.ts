import { createHash, generateKeyPairSync } from 'node:crypto'
import { attestationKeyUsage } from '@strongroom/contract'
import { fromHex, parsePem, parseTpm2bPublic } from '@strongroom/evidence'
import { kept } from '@strongroom/platform/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { attestationKeyUsageExtension, testAuthority } from '../testing/guest.ts'
import { extended, SoftTpm } from '../testing/soft-tpm.ts'
import { AttestationKeyAuthorities, rsaJwk, rsaPublicKey, type CertifiedKey } from './ak-certificate.ts'

type Key = Parameters<AttestationKeyAuthorities['verify']>[0]['key']
const subject = 'CN=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'
const usage = (hex: string): { oid: string; value: Uint8Array } => ({ oid: '2.5.29.37', value: fromHex(hex) })
const clientAuth = '06082b06010505070302'
const own = '06056781050803'

/** Certificates for `SoftTpm`'s key from another authority, each with one difference. */
const others = async (spki: Uint8Array) => {
  const authority = await testAuthority()
  const certify = async (o: object = {}): Promise<Uint8Array> => {
    const asked = { subject, publicKey: spki, usages: ['digitalSignature'] as const, days: 90 }
    const pem = await authority.issueCertificate({
      ...asked,
      extensions: [attestationKeyUsageExtension],
      ...o,
    } as never)
    return parsePem(pem)[0]!
  }
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' })
  const made = {
    caPem: authority.caPem,
    good: await certify(),
    nameless: await certify({ subject: 'O=Strongroom' }),
    unused: await certify({ extensions: [] }),
    ofClients: await certify({ extensions: [usage(`300a${clientAuth}`)] }),
    ofBoth: await certify({ extensions: [usage(`3011${own}${clientAuth}`)] }),
    ofEc: await certify({ publicKey: Uint8Array.from(ec) }),
  }
  await authority.remove()
  return made
}

describe('a certificate of an attestation key', () => {
  let tpm: SoftTpm
  let other: Awaited<ReturnType<typeof others>>
  beforeAll(async () => {
    tpm = await SoftTpm.make()
    other = await kept('ak-certificates', () => others(tpm.spki))
  })
  const day = 24 * 3600_000
  const authorities = (...pem: string[]): AttestationKeyAuthorities =>
    new AttestationKeyAuthorities({ pem, context: {} })
  const verify = async (
    certificate: Uint8Array,
    o: { by?: AttestationKeyAuthorities; key?: Key; days?: number } = {},
  ): Promise<CertifiedKey> => {
    const { by = authorities(tpm.caPem, other.caPem), key = tpm.akPublic, days = 0 } = o
    return await by.verify({ certificate, key, at: new Date(Date.now() + days * day) })
  }
  const fault = async (...asked: Parameters<typeof verify>): Promise<unknown> =>
    await verify(...asked).then(
      () => 'taken',
      ({ code, found }: { code?: string; found?: string }) => [code, found],
    )

  it('is of the VM that it names, in upper case, with its chain and its key', async () => {
    const certified = await verify(tpm.certificate)
    expect(certified).toEqual({
      vmId: tpm.vmId,
      key: parseTpm2bPublic(tpm.akPublic).key,
      chain: [tpm.certificate, parsePem(tpm.caPem)[0]],
      fingerprint: createHash('sha256').update(tpm.spki).digest('hex'),
    })
    // By the authority that issued it, whichever is named first, in one text or two.
    expect((await verify(other.good)).chain).toEqual([other.good, parsePem(other.caPem)[0]])
    const both = authorities(`${other.caPem}${tpm.caPem}`)
    for (const certificate of [tpm.certificate, other.good])
      expect((await verify(certificate, { by: both })).fingerprint).toBe(certified.fingerprint)
    expect((await verify(other.nameless)).vmId).toBe('')
  })

  it('may have zeros behind it, as its place in the TPM has, and nothing else', async () => {
    const padded = (byte: number, length: number): Uint8Array =>
      Uint8Array.from(
        [...tpm.certificate, ...new Uint8Array(length).fill(0, 0, length - 1), ...(length > 0 ? [byte] : [])].slice(
          0,
          tpm.certificate.length + length,
        ),
      )
    for (const length of [1, 2, 600]) expect((await verify(padded(0, length))).chain[0]).toEqual(tpm.certificate)
    const behind = Uint8Array.from([...tpm.certificate, 0, 0, 1])
    expect(await fault(behind)).not.toBe('taken')
    expect(await fault(Uint8Array.from([...behind, 0, 0]))).not.toBe('taken')
    for (const bytes of [[], [0x30], [0, 0, 0, 0], [...tpm.certificate.subarray(0, 200)]])
      expect(await fault(Uint8Array.from(bytes))).not.toBe('taken')
  })

  it('is of an authority that counts, and in its time', async () => {
    expect(await fault(tpm.certificate, { by: authorities(other.caPem) })).toEqual(['UntrustedRoot', expect.anything()])
    expect(await fault(tpm.certificate, { by: authorities() })).toEqual(['NoTrustAnchors', undefined])
    expect(await fault(tpm.certificate, { days: 91 })).toEqual(['CertificateExpired', expect.anything()])
    expect(await fault(tpm.certificate, { days: -2 })).toEqual(['CertificateNotYetValid', expect.anything()])
  })

  it('is for attestation keys and nothing else', async () => {
    for (const [certificate, found] of [
      [other.unused, 'none'],
      [other.ofClients, '1.3.6.1.5.5.7.3.2'],
      [other.ofBoth, `${attestationKeyUsage}, 1.3.6.1.5.5.7.3.2`],
    ] as const)
      expect(await fault(certificate)).toEqual(['CertificateNotForThisUse', found])
  })

  it('is of this key, which signs what its TPM says and nothing else', async () => {
    const mine = /^RSA modulus [\w-]{22}…$/
    expect(await fault(other.ofEc)).toEqual(['BindingMismatch', expect.stringMatching(mine)])
    const { key } = parseTpm2bPublic(tpm.akPublic)
    expect((await verify(tpm.certificate, { key })).key).toBe(key)
    if (key.kind !== 'rsa') throw new Error('the key is not an RSA key')
    const another = { ...key, modulus: key.modulus.map((byte) => byte ^ 1) }
    expect(await fault(tpm.certificate, { key: another })).toEqual(['BindingMismatch', expect.stringMatching(mine)])
    const ec = { kind: 'ecc', curve: 'P-256', x: new Uint8Array(32), y: new Uint8Array(32) } as unknown as Key
    expect(await fault(tpm.certificate, { key: ec })).toEqual(['BindingMismatch', 'no RSA key'])
    expect(await fault(other.ofEc, { key: ec })).toEqual(['BindingMismatch', 'no RSA key'])
    const area = await tpm.encryptionKey(extended())
    expect(await fault(tpm.certificate, { key: area })).toEqual([
      'TpmKeyNotAllowed',
      expect.stringMatching(/^attributes 0x[0-9a-f]+$/),
    ])
  })

  it('has its exponent written in as many bytes as it takes', () => {
    const modulus = new Uint8Array(Buffer.from(tpm.jwk.n, 'base64url'))
    for (const [exponent, e] of [
      [65_537, 'AQAB'],
      [3, 'Aw'],
      [0x01000001, 'AQAAAQ'],
    ] as const) {
      expect(rsaJwk({ modulus, exponent })).toEqual({ kty: 'RSA', n: tpm.jwk.n, e })
      expect(rsaPublicKey({ modulus, exponent }).export({ format: 'jwk' })).toEqual({ kty: 'RSA', n: tpm.jwk.n, e })
    }
  })
})
