import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { BootEvidence } from '@strongroom/contract'
import { parsePem } from '@strongroom/evidence'
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Boot, makeBoot, makeSilicon } from './boot.ts'
import { verifyFiles, type Files } from './support/verify-files.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 120_000

let folder: string
let snp: Boot
let other: Boot
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'E-containers-'))
  const silicon = await makeSilicon()
  snp = await makeBoot('SNP', silicon)
  other = await makeBoot('SNP', silicon)
  await writeFile(join(folder, 'anchors.json'), JSON.stringify(silicon.anchors))
}, making)
afterAll(async () => rm(folder, { recursive: true }))
afterEach(() => (process.exitCode = 0))

const verify = async (files: Files): Promise<[exit: number, code: string]> => {
  const [exit, code] = await verifyFiles({ folder, at: snp.at }, files)
  return [exit, code]
}
const hardware = (boot: Boot): BootEvidence['silicon'] & { kind: 'SNP' } =>
  boot.evidence.silicon as BootEvidence['silicon'] & { kind: 'SNP' }
const reportOf = (boot: Boot): Buffer => Buffer.from(hardware(boot).report, 'base64url')
const report = (): Files => ({ 'report.bin': reportOf(snp), 'chain.pem': hardware(snp).vcekChainPem })

describe('a key that stands in one file with what it signed', { timeout: making }, () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }))

  it('is the word of who made both: a token is by its issuer under keys that were given apart (attack E20)', async () => {
    const { token } = snp.evidence.attestation
    const header = { ...decodeProtectedHeader(token), alg: 'RS256', kid: 'attacker' }
    const forged = await new SignJWT({ ...decodeJwt(token), forged: true }).setProtectedHeader(header).sign(privateKey)
    const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'attacker', use: 'sig' }]
    for (const file of [
      { keys, token: forged },
      { token: forged, keys },
      { keys, evidence: { token: forged } },
    ])
      expect(await verify({ 'token.json': file })).toEqual([2, 'unjudged'])
    expect(await verify({ 'token.json.gz': gzipSync(JSON.stringify({ keys, token: forged })) })).toEqual([
      2,
      'unjudged',
    ])
    // Beside the issuer's own keys it does not count as a key either.
    const both = { 'token.json': { keys, token: forged }, 'certs.json': snp.jwks as object }
    expect((await verify(both))[0]).toBe(1)
    expect(await verify({ 'token.jwt': token, 'certs.json': snp.jwks as object })).toEqual([0, 'accepted'])
  })

  it('binds no quote of a TPM, in whatever form it stands there (attack E20)', async () => {
    const quote = quoteBy(privateKey)
    const file = { ...quote, key: pem }
    expect(await verify({ 'quote.json': file })).toEqual([2, 'unjudged'])
    expect(await verify({ 'quote.json': { statement: { quote }, beside: { attestation: pem } } })).toEqual([
      2,
      'unjudged',
    ])
    const area = publicArea(publicKey)
    for (const key of [area.toString('base64'), area.toString('hex'), [...area]])
      for (const both of [
        { ...quote, key },
        { key, ...quote },
        { quote, beside: { key } },
      ])
        expect(await verify({ 'quote.json': both })).toEqual([2, 'unjudged'])
    // In a file of its own, everything but its owner is known.
    expect(await verify({ 'quote.json': quote, 'ak.pem': pem })).toEqual([7, 'KeyNotEndorsed'])
    expect(await verify({ 'quote.json': quote, 'ak.pub': area })).toEqual([7, 'KeyNotEndorsed'])
  })
})

/** TPM2B_PUBLIC of a key that signs only its TPM's statements (TPM 2.0 part 2, section 12.2.5). */
function publicArea(key: KeyObject): Buffer {
  const modulus = Buffer.from(key.export({ format: 'jwk' }).n!, 'base64url')
  const parameters = Buffer.from('0001000b000500720000001000 14000b0800 00000000 0100'.replaceAll(' ', ''), 'hex')
  const area = Buffer.concat([parameters, modulus])
  return Buffer.concat([Buffer.from([area.length >> 8, area.length & 255]), area])
}

/** A TPM's statement about two zero registers, by an unknown key. */
function quoteBy(key: KeyObject): { message: string; signature: string; pcrs: Record<string, string> } {
  const zero = Buffer.alloc(32)
  const digest = createHash('sha256')
    .update(Buffer.concat([zero, zero]))
    .digest()
  const sized = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, bytes.length]), bytes])
  // TPMS_ATTEST (TPM 2.0 part 2, section 10.12.12): magic, type, signer, nonce, clock, firmware, selection, digest.
  const message = Buffer.concat([
    Buffer.from('ff5443478018', 'hex'),
    sized(Buffer.concat([Buffer.from('000b', 'hex'), Buffer.alloc(32, 1)])),
    sized(Buffer.from('challenge')),
    Buffer.alloc(17, 1),
    Buffer.alloc(8, 2),
    Buffer.from('00000001000b03030000', 'hex'),
    sized(digest),
  ])
  const signature = sign('sha256', message, key)
  return {
    message: message.toString('base64'),
    signature: signature.toString('base64'),
    pcrs: { 0: zero.toString('hex'), 1: zero.toString('hex') },
  }
}

describe('what stands around or inside other things', { timeout: making }, () => {
  it('is not passed over beside the blocks of a PEM text (attack E21)', async () => {
    const pem = hardware(snp).vcekChainPem
    const list = Buffer.alloc(400, 3).toString('base64')
    const base64 = reportOf(other).toString('base64')
    const beside: Record<string, string> = {
      'a list in small letters': `-----begin x509 crl-----\n${list}\n-----end x509 crl-----\n`,
      'a list behind a tab': `-----BEGIN\tX509 CRL-----\n${list}\n`,
      'the end of a list': '-----END X509 CRL-----\n',
      JSON: JSON.stringify({ attestation_report: 'junk' }),
      'a report in one line': base64,
      'a report in lines': base64.replaceAll(/.{64}/g, '$&\n'),
    }
    for (const [name, text] of Object.entries(beside))
      for (const both of name === 'JSON' ? [`${pem}${text}`] : [`${pem}${text}`, `${text}\n${pem}`])
        expect([name, ...(await verify({ ...report(), 'chain.pem': both }))]).toEqual([name, 1, 'UnknownType'])
    const described = `Bag Attributes\n  friendlyName: VCEK\nsubject=CN = SEV-VCEK\n---\n${pem}`
    expect(await verify({ ...report(), 'chain.pem': described })).toEqual([0, 'accepted'])
  })

  it('is not passed over for being wrapped often (attack E21)', async () => {
    const { token } = snp.evidence.attestation
    const keys: Files = { 'certs.json': snp.jwks as object }
    let wrapped: unknown = { report: hardware(other).report }
    const codes: string[] = []
    for (let times = 0; times < 8; times++) {
      wrapped = { x: Buffer.from(JSON.stringify(wrapped)).toString('base64') }
      const [exit, code] = await verify({ 'token.json': { token, wrapped }, ...keys })
      expect([times, exit]).not.toEqual([times, 0])
      codes.push(code)
    }
    expect(codes.at(-1)).toBe('TooDeep')
    const packed = [1, 2, 3, 4, 5, 6, 7].reduce((bytes) => gzipSync(bytes), reportOf(other))
    expect(await verify({ 'token.json': { token, packed: packed.toString('base64') }, ...keys })).toEqual([
      1,
      'TooDeep',
    ])
  })

  it('is not passed over under a name that somebody made up for it (attack E21)', async () => {
    const keys: Files = { 'certs.json': snp.jwks as object }
    const { token } = snp.evidence.attestation
    const junk = Buffer.alloc(1_300, 7).toString('base64')
    for (const name of ['raw_quote', 'quoteHex', 'snp-report-bytes', 'AmdReport', 'evidence_b64', 'td_attestation'])
      for (const value of [junk, [...Buffer.alloc(1_300, 7)]])
        expect([name, ...(await verify({ 'token.json': { token, [name]: value }, ...keys }))]).toEqual([
          name,
          1,
          'UnknownType',
        ])
    const digests = { quote_type: 'tdx', report_data: '00'.repeat(64), attestation_id: 'x', note: junk }
    expect(await verify({ 'token.json': { token, ...digests }, ...keys })).toEqual([0, 'accepted'])
  })
})

describe('files that are small and become large', { timeout: making }, () => {
  it('give so much together and no more, however many streams there are (attack E15)', async () => {
    const stream = gzipSync(Buffer.alloc(31 * 1024 * 1024, ' '))
    const files = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`${n}.gz`, stream]))
    // Two of them exhaust the budget; the others are refused unopened, unless time was up first on a busy machine.
    const refusal = await verify({ ...report(), ...files }).catch(({ code }: { code: string }) => [2, code])
    expect([
      [1, 'InvalidEncoding'],
      [2, 'TimeIsUp'],
    ]).toContainEqual(refusal)
  })

  it('are refused for more certificates than any chain has (attack E15)', async () => {
    const [der] = parsePem(hardware(snp).vcekChainPem)
    const many = Buffer.concat(Array.from({ length: 20_000 }, () => der!))
    expect(await verify({ 'many.der': many })).toEqual([1, 'TooLarge'])
    expect(await verify({ ...report(), 'many.der': many })).toEqual([1, 'TooLarge'])
  })
})
