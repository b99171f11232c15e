import { createHash } from 'node:crypto'
import { buildHclReport, hclReportData, toHex, utf8, type TrustAnchors } from '@strongroom/evidence'
import { judge, type Piece } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  creationMessage,
  measuredLog,
  quoteMessage,
  SoftwareTpm,
} from '../../packages/evidence/src/testing/software-tpm.ts'
import { issueReport, type Hierarchy } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { openMakers } from './support/makers.ts'
import { faultsOf, judgeFiles, type Files } from './support/judged.ts'
import { claimsOf, quoteBy } from './support/paravisor.ts'

/** Public areas of a TPM's keys beside evidence: attestation keys, other keys, and unreadable ones. */
let amd: Hierarchy
let anchors: TrustAnchors
let plain: Files
let machine: Files
let two: Files
const tpm = new SoftwareTpm()
const second = new SoftwareTpm()
const stranger = new SoftwareTpm()
beforeAll(async () => {
  const makers = await openMakers()
  ;({ amd, anchors } = makers)
  const chain = { 'chain.pem': makers.chain }
  plain = { 'report.bin': await issueReport(amd.vcek), ...chain }
  machine = { 'a.hcl': await hclOf(claimsOf(tpm)), ...chain }
  two = { ...machine, 'b.hcl': await hclOf(claimsOf(second)) }
})
const hclOf = async (claims: Uint8Array): Promise<Uint8Array> => {
  const data = await hclReportData(claims)
  const hardwareReport = await issueReport(amd.vcek, (bytes) => bytes.set(data, 0x50))
  return buildHclReport({ hardwareReport, reportType: 'SNP', claims })
}
const verdict = async (files: Files): Promise<string[]> => {
  const found = await judgeFiles(files, { anchors, at: now })
  return [found.verdict, ...faultsOf(found)]
}
const { pcrs } = measuredLog([[0, 8, utf8('firmware')]])
/** Signs anything: not an attestation key. */
const object = new SoftwareTpm().akPublic(0x40072)
const other = new SoftwareTpm().akPublic(0x40072)
const statementOf = (of: Uint8Array): object => {
  const name = Uint8Array.of(0, 0x0b, ...createHash('sha256').update(of.subarray(2)).digest())
  const message = creationMessage(name)
  return { message: toHex(message), signature: toHex(tpm.sign(message)), object: toHex(of) }
}
/** A TPM2B_PUBLIC by length and type, but invalid. */
const broken = tpm.akPublic().fill(0xff, 4)

describe('a public area that cannot be read', () => {
  it('is refused, whatever it lies beside', async () => {
    const fault = 'file.kind UnknownType'
    for (const [files, ...wanted] of [
      [plain, fault],
      [two, fault],
      [machine, 'hcl.samekey UnknownType', fault],
      [{ 'q.json': quoteBy(tpm, pcrs), 'ak.pub': tpm.akPublic() }, fault],
    ] as [Files, ...string[]][]) {
      expect(await verdict(files)).not.toContain('refused')
      expect(await verdict({ ...files, 'x.pub': broken })).toEqual(['refused', ...wanted])
      expect(await verdict({ 'x.json': { akPub: toHex(broken) }, ...files })).toEqual(['refused', ...wanted])
    }
  })
})

describe('a public area of another kind of key', () => {
  it('is not an attestation key: it goes with the statement that its TPM made it, or with nothing', async () => {
    for (const beside of [machine, two, { ...machine, 'ak.pub': tpm.akPublic() }] as Files[]) {
      const own = { ...beside, 'c.json': statementOf(object) }
      expect(await verdict(own)).toEqual(['accepted'])
      expect(await verdict({ ...own, 'q.json': quoteBy(tpm, pcrs) })).toEqual(['accepted'])
      expect(await verdict({ ...own, 'c.json': { ...statementOf(object), object: toHex(other) } })).toEqual([
        'unjudged',
        'tpm.created skipped',
      ])
    }
    // A statement by a key that no report names may be anybody's.
    expect((await verdict({ ...plain, 'c.json': statementOf(object) }))[0]).toBe('unjudged')
    for (const beside of [plain, machine, two])
      expect(await verdict({ ...beside, 'o.json': { object: toHex(object) } })).toEqual([
        'unjudged',
        'file.used skipped',
      ])
  })
})

describe('the public area of an attestation key', () => {
  it('is the one that the report names, wherever it stands among others', async () => {
    const own = { 'ak.pub': tpm.akPublic() }
    const foreign = { 'x.pub': stranger.akPublic() }
    const mismatch = 'file.used BindingMismatch'
    expect(await verdict({ ...machine, ...own, ...foreign })).toEqual(['refused', mismatch])
    expect(await verdict({ ...machine, ...foreign, ...own })).toEqual(['refused', mismatch])
    expect(await verdict({ ...machine, ...foreign })).toEqual(['refused', 'hcl.samekey BindingMismatch', mismatch])
    expect(await verdict({ ...two, ...foreign })).toEqual(['refused', mismatch])
    expect(await verdict({ ...two, 'b.pub': second.akPublic(), ...own })).toEqual(['accepted'])
    // The key of one of two machines is compared only with its report, and a weak one is not its attestation key.
    expect(await verdict({ ...two, 'ak.pub': tpm.akPublic(0x40000) })).toEqual([
      'refused',
      'hcl.samekey TpmKeyNotAllowed',
    ])
    const nobody = { ...machine, 'a.hcl': await hclOf(utf8('{"keys":[]}')) }
    expect(await verdict({ ...nobody, ...own })).toEqual([
      'refused',
      'hcl.key Missing',
      'hcl.samekey skipped',
      mismatch,
    ])
  })
})

describe('a key that came with its quote', () => {
  it('is not exchanged for one that did not sign it', async () => {
    const message = quoteMessage(pcrs)
    const quote: Piece = {
      name: 'q',
      kind: 'tpm-quote',
      message,
      signature: tpm.sign(message),
      pcrs,
      akPublic: tpm.akPublic(),
    }
    const of = async (key: SoftwareTpm): Promise<string[]> => {
      const given: Piece = { name: 'k', kind: 'tpm-public', bytes: key.akPublic(), nested: false }
      const found = await judge({ pieces: [quote, given], anchors, at: now })
      return [found.verdict, ...faultsOf(found)]
    }
    expect(await of(tpm)).toEqual(['unendorsed'])
    expect(await of(stranger)).toEqual(['refused', 'tpm.binding skipped', 'file.used BindingMismatch'])
  })
})
