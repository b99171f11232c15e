import { beforeAll, describe, expect, it } from 'vitest'
import { ByteWriter, digest, fromBase64Url, toBase64Url, toHex, utf8 } from '@strongroom/evidence'
import { verifyFiles, type Verdict } from '../forged/support/doors.ts'

/** Milliseconds: generating RSA keys is slow on a busy machine. */
const making = 240_000
const now = new Date('2026-06-01T12:00:00Z')
const outcome = ({ exit, reason }: Verdict): [number, string] => [exit, reason]

describe('tokens of NVIDIA’s and Intel’s services', { timeout: making }, () => {
  const seconds = now.getTime() / 1000
  const nvidia = 'https://nras.attestation.nvidia.com'
  const intel = 'https://portal.trustauthority.intel.com'
  let ec: CryptoKeyPair
  let rsa: CryptoKeyPair
  let keys: string
  beforeAll(async () => {
    ec = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify'])
    const pss = { name: 'RSA-PSS', hash: 'SHA-384', modulusLength: 3072, publicExponent: Uint8Array.of(1, 0, 1) }
    rsa = await crypto.subtle.generateKey(pss, true, ['sign', 'verify'])
    const [nv, ita] = await Promise.all([ec, rsa].map(({ publicKey }) => crypto.subtle.exportKey('jwk', publicKey)))
    const { x, y } = nv!
    const { n, e } = ita!
    keys = JSON.stringify({
      keys: [
        { kty: 'EC', crv: 'P-384', kid: 'nv', x, y },
        { kty: 'RSA', kid: 'ita', alg: 'PS384', n, e },
      ],
    })
  })
  const token = async (alg: 'ES384' | 'PS384', claims: object, header: object = {}): Promise<string> => {
    const body = { iat: seconds, nbf: seconds, exp: seconds + 3600, ...claims }
    const parts = [{ alg, kid: alg === 'ES384' ? 'nv' : 'ita', typ: 'JWT', ...header }, body]
    const input = parts.map((part) => toBase64Url(utf8(JSON.stringify(part)))).join('.')
    const algorithm = alg === 'ES384' ? { name: 'ECDSA', hash: 'SHA-384' } : { name: 'RSA-PSS', saltLength: 48 }
    const key = alg === 'ES384' ? ec.privateKey : rsa.privateKey
    return `${input}.${toBase64Url(new Uint8Array(await crypto.subtle.sign(algorithm, key, Uint8Array.from(utf8(input)))))}`
  }
  const verify = async (evidence: string): Promise<Verdict> =>
    verifyFiles({ 'evidence.json': evidence, 'keys.json': keys }, { at: now })
  const gpu = async (measres = 'success'): Promise<string> => token('ES384', { iss: nvidia, measres, hwmodel: 'GH100' })
  const main = async (detached: string, changes: object = {}): Promise<string> => {
    const named = toHex(await digest('SHA-256', utf8(detached)))
    const submods = { 'GPU-0': ['DIGEST', ['SHA-256', named]] }
    return token('ES384', { iss: nvidia, 'x-nvidia-overall-att-result': true, submods, ...changes })
  }
  const bundle = (overall: string, detached: string): string =>
    JSON.stringify([['JWT', overall], { 'GPU-0': detached }])

  const debuggable = Buffer.from([1, 0, 0, 0x10, 0, 0, 0, 0]).toString('hex')
  const migratable = Buffer.from([0, 0, 0, 0x20, 0, 0, 0, 0]).toString('hex')
  const sound = Buffer.from([0, 0, 0, 0x10, 0, 0, 0, 0]).toString('hex')

  it.each<[path: string, good: unknown, weak: unknown, shown: string]>([
    ['x-ms-sevsnpvm-is-debuggable', false, true, 'debugging'],
    ['x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable', false, true, 'debugging'],
    ['x-ms-sevsnpvm-migration-allowed', false, true, 'migration'],
    ['x-ms-isolation-tee.x-ms-sevsnpvm-migration-allowed', false, 'false', 'migration'],
    ['tdx.tdx_is_debuggable', false, true, 'debugging'],
    ['tdx_td_attributes_debug', false, true, 'debugging'],
    ['tdx_td_attributes', sound, debuggable, 'debugging'],
    ['tdx.tdx_td_attributes', sound, migratable, 'migration'],
    ['tdx_td_attributes', sound, 'none', 'migration'],
    ['attester_tcb_status', 'UpToDate', 'OutOfDate', 'TCB'],
    ['tdx.attester_tcb_status', 'UpToDate', 'Revoked', 'TCB'],
    ['policy_ids_unmatched', [], [{ id: 'p' }], 'policies not met'],
    ['dbgstat', 'disabled-since-boot', 'enabled', 'debugging'],
  ])('are refused about a guest with %s as it should not be (attack E26)', async (path, good, weak, shown) => {
    const [group, name] = path.includes('.') ? path.split('.') : [undefined, path]
    const of = async (value: unknown): Promise<string> => {
      const claim = { [name!]: value }
      return await token('PS384', { iss: intel, ...(group === undefined ? claim : { [group]: claim }) })
    }
    const held = await verify(await of(good))
    expect([outcome(held), held.text.includes(`${shown}: ${path}`)]).toEqual([[0, 'accepted'], true])
    const found = await verify(await of(weak))
    expect(outcome(found)).toEqual([1, `Forbidden policy.${path}`])
    expect(found.text).toContain(`${shown}: NOT AS REQUIRED: ${path} ${JSON.stringify(weak)}`)
    if (typeof weak !== 'string' && typeof weak !== 'boolean') return
    // A policy admits it by naming the claim and its value; another claim or value admits nothing.
    const under = async (claims: object): Promise<number> => {
      const o = { at: now, policy: { token: { claims } } }
      return (await verifyFiles({ 'evidence.json': await of(weak), 'keys.json': keys }, o)).exit
    }
    expect([await under({ [path]: weak }), await under({ iss: intel }), await under({ [path]: good })]).toEqual([
      0, 1, 1,
    ])
  })

  it('are accepted by ES384 and PS384 for their issuers, and for no other (attack E18)', async () => {
    const device = await gpu()
    expect(outcome(await verify(bundle(await main(device), device)))).toEqual([0, 'accepted'])
    const td = { tdx: { tdx_is_debuggable: false } }
    expect(outcome(await verify(await token('PS384', { iss: intel, ...td }, { jku: `${intel}/certs` })))).toEqual([
      0,
      'accepted',
    ])
    for (const [alg, iss] of [
      ['ES384', intel],
      ['PS384', nvidia],
      ['ES384', 'https://sharedweu.weu.attest.azure.net'],
      ['PS384', 'https://portal.trustauthority.intel.com.example.org'],
    ] as const) {
      expect(outcome(await verify(await token(alg, { iss })))).toEqual([1, 'AlgorithmNotAllowed token.algorithm'])
    }
    expect((await verifyFiles({ 'token.jwt': await main(device) }, { at: now })).text).toContain(
      `${nvidia}/.well-known/jwks.json`,
    )
  })

  it('are refused where the service found the evidence bad, whoever signed that (attack E18)', async () => {
    const device = await gpu()
    for (const evidence of [
      await main(device, { 'x-nvidia-overall-att-result': false }),
      await main(device, { 'x-nvidia-overall-att-result': 'true' }),
      await token('ES384', { iss: nvidia, measres: 'fail' }),
      await token('PS384', { iss: intel, tdx: { tdx_is_debuggable: true } }),
      await token('PS384', { iss: intel, tdx_is_debuggable: true }),
    ]) {
      expect((await verify(evidence)).reason).toMatch(/^Forbidden policy\./)
    }
  })

  it('are of one bundle: a device’s token is not exchanged for another’s (attack E18)', async () => {
    const [device, other] = [await gpu(), await token('ES384', { iss: nvidia, measres: 'success', hwmodel: 'other' })]
    expect(outcome(await verify(bundle(await main(device), other)))).toEqual([1, 'BindingMismatch token.bundle'])
    const both = JSON.stringify([['JWT', await main(device)], { 'GPU-0': device, 'GPU-1': other }])
    expect(outcome(await verify(both))).toEqual([1, 'BindingMismatch token.bundle'])
    const named = await main(device, { submods: { 'GPU-0': ['DIGEST', ['SHA-1', 'aa']] } })
    expect(outcome(await verify(bundle(named, device)))).toEqual([1, 'BindingMismatch token.bundle'])
  })

  it('are not accepted with any character of them changed (attack E18)', async () => {
    const good = await token('ES384', { iss: nvidia, measres: 'success' })
    for (let index = 0; index < good.length; index += 7) {
      const changed = `${good.slice(0, index)}${good[index] === 'A' ? 'B' : 'A'}${good.slice(index + 1)}`
      expect([index, (await verify(changed)).exit > 0]).toEqual([index, true])
    }
    expect(fromBase64Url(good.split('.')[2]!).length).toBe(96)
  })
})

describe('a quote of an SGX enclave', () => {
  it('is refused by its name (attack E18)', async () => {
    const quote = (version: number, tee: number): Uint8Array => {
      const vendor = Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex')
      const head = new ByteWriter().u16le(version).u16le(2).u32le(tee).u32le(0).bytes(vendor).zero(20)
      return head.u16le(1).zero(1200).finish()
    }
    for (const bytes of [quote(3, 0), quote(4, 0), quote(5, 0)]) {
      const { exit, text } = await verifyFiles({ 'quote.bin': bytes }, { at: now })
      expect([exit, text.includes('This is a quote of an SGX enclave')]).toEqual([1, true])
    }
  })
})
