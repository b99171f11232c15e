import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { firstFailure } from '../checks/check.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'
import { genuineAmdAnchors } from '../snp/products.ts'
import { genuineIntelAnchors } from '../tdx/collateral.ts'
import { detect } from './detect.ts'
import { baseline } from './evidence-policy.ts'
import { judge, type Judgement } from './judge.ts'

/** From the packages golang-github-google-go-sev-guest-dev and go-tdx-guest-dev, so these tests never skip. */
const go = '/usr/share/gocode/src/github.com/google'
const sev = `${go}/go-sev-guest/verify/testdata`
const tdx = `${go}/go-tdx-guest/testing/testdata`
const anchors: TrustAnchors = { simulated: false, amd: [...genuineAmdAnchors], intel: [...genuineIntelAnchors] }
const read = (path: string): Uint8Array => new Uint8Array(readFileSync(path))
const time = new Date('2023-07-01T00:00:00Z')
const debug = { snp: { ...baseline.snp, allow: { ...baseline.snp.allow, debug: true } } }

function judgeFiles(
  paths: string[],
  at = time,
  edit: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
): Promise<Judgement> {
  const pieces = paths.flatMap((path, index) => detect(path, index === 0 ? edit(read(path)) : read(path)))
  return judge({ pieces, anchors, at, policy: debug })
}

describe('a report of a genuine AMD processor', () => {
  const files = [`${sev}/attestation.bin`, `${sev}/vcek.testcer`, `${sev}/milan.testcer`]

  it('is accepted with its chain in any order of files, by a policy that takes a debuggable guest', async () => {
    expect((await judgeFiles(files)).verdict).toBe('accepted')
    expect((await judgeFiles(files.toReversed())).verdict).toBe('accepted')
  })

  it('is refused without a policy, because its host may debug it', async () => {
    const judgement = await judge({ pieces: files.flatMap((path) => detect(path, read(path))), anchors, at: time })
    expect(judgement).toMatchObject({ verdict: 'refused', code: 'Forbidden' })
    expect(firstFailure(judgement.check)?.id).toBe('policy.policy.debugAllowed')
  })

  it('cannot be judged without its chain, nor with the chain of a provider’s keys only', async () => {
    expect((await judgeFiles(files.slice(0, 1))).verdict).toBe('unjudged')
    expect((await judgeFiles([files[0]!, `${sev}/milanvlek.testcer`])).verdict).toBe('unjudged')
  })

  it('is refused with any byte under its signature changed', async () => {
    for (let offset = 0; offset < 0x2a0; offset += 1) {
      const judgement = await judgeFiles(files, time, (bytes) =>
        bytes.map((byte, at) => (at === offset ? byte ^ 1 : byte)),
      )
      expect([offset, judgement.verdict]).toEqual([offset, 'refused'])
    }
  })

  it('is refused when it is cut short or has bytes after it', async () => {
    expect(await judgeFiles(files, time, (bytes) => bytes.slice(0, 1183))).toMatchObject({
      verdict: 'refused',
      code: 'WrongLength',
    })
    expect(await judgeFiles(files, time, (bytes) => Uint8Array.from([...bytes, 1]))).toMatchObject({
      verdict: 'refused',
      code: 'WrongLength',
    })
  })

  it('is refused after its key’s life, and under no roots at all', async () => {
    expect((await judgeFiles(files, new Date('2030-01-01T00:00:00Z'))).code).toBe('CertificateExpired')
    const none = { simulated: false, amd: [], intel: [] }
    const judgement = await judge({
      pieces: files.flatMap((path) => detect(path, read(path))),
      anchors: none,
      at: time,
    })
    expect(judgement.code).toBe('NoTrustAnchors')
  })
})

describe('a quote of a genuine Intel processor', () => {
  const quote = `${tdx}/tdx_prod_quote_SPR_E4.dat`
  const collateral = ['sample_tcbInfo_response', 'sample_qeIdentity_response', 'pckcrl', 'rootcrl.der'].map(
    (name) => `${tdx}/${name}`,
  )

  it('cannot be judged without the certificate of whoever signs Intel’s texts, and everything else of it holds', async () => {
    const judgement = await judgeFiles([quote, ...collateral])
    expect(judgement.verdict).toBe('unjudged')
    const [tree] = judgement.check.children
    const passed = tree!.children.filter(({ outcome }) => outcome === 'passed').map(({ id }) => id)
    expect(passed).toEqual(
      expect.arrayContaining([
        'tdx.pck.path',
        'tdx.qe.signature',
        'tdx.qe.binding',
        'tdx.signature',
        'tdx.crl.root',
        'tdx.crl.pck',
        'tdx.pck.revocation',
      ]),
    )
  })

  it('is refused when the revocation lists are of another time', async () => {
    expect(await judgeFiles([quote, ...collateral], new Date('2024-06-01T00:00:00Z'))).toMatchObject({
      verdict: 'refused',
      code: 'CrlExpired',
    })
  })

  it('is refused with a byte of header, body or key changed', async () => {
    for (const offset of [0, 4, 12, 48, 64, 184, 520, 631, 640, 700, 720, 900]) {
      const judgement = await judgeFiles([quote, ...collateral], time, (bytes) =>
        bytes.map((byte, at) => (at === offset ? byte ^ 1 : byte)),
      )
      expect([offset, judgement.verdict]).toEqual([offset, 'refused'])
    }
  })
})
