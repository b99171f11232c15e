import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../packages/evidence/src/core/bytes/hex.ts'
import { detect } from '../../packages/evidence/src/bundle/detect.ts'
import type { EvidencePolicy } from '../../packages/evidence/src/bundle/evidence-policy.ts'
import type { Piece } from '../../packages/evidence/src/bundle/pieces/piece.ts'
import {
  at,
  collateral,
  corpus,
  debugAllowed,
  failedCodes,
  judgeFiles,
  loadPieces,
  manifest,
  type Mutation,
  negatives,
  present,
  read,
  shows,
} from './corpus.ts'

/** Our code for a stated reason; one entry serves many cases. */
const reasons: [RegExp, RegExp][] = [
  // A signed field may also become unreadable.
  [/unsupported version/, /^(ReportSignatureInvalid|UnknownVersion|ReservedNotZero)$/],
  [/short report/, /^WrongLength$/],
  [/beyond 48 bytes/, /^ReservedNotZero$/],
  [/bad HCLA magic/, /^WrongMagic$/],
  [/runtime-data hash mismatch/, /^BindingMismatch$/],
  [/TPM signature failure/, /^TpmSignatureInvalid$/],
  [/PCR digest mismatch/, /^PcrDigestMismatch$/],
  [/nonce mismatch/, /^NonceMismatch$/],
  [/replay differs|no longer hashes/, /^EventLogMismatch$/],
  [/TCB info signature failure/, /^CollateralSignatureInvalid$/],
  [/QE report signature failure/, /^QeReportSignatureInvalid$/],
  [/not bound by QE report/, /^QeReportDataMismatch$/],
  [/quote signature failure/, /^(QuoteSignatureInvalid|UnknownType|UnknownVersion)$/],
  [/truncated/, /^Truncated$/],
  [/^signature failure/, /^(ReportSignatureInvalid|ReservedNotZero|UnknownType|InvalidValue)$/],
]

function mutate(bytes: Uint8Array, edits: Mutation['edits']): Uint8Array {
  let changed = Uint8Array.from(bytes)
  for (const edit of edits) {
    if (edit.truncate !== undefined) changed = changed.slice(0, edit.truncate)
    else if (edit.replace !== undefined)
      changed = new TextEncoder().encode(new TextDecoder().decode(changed).replace(...edit.replace))
    else if (edit.reserialize !== undefined)
      changed = new TextEncoder().encode(JSON.stringify(JSON.parse(new TextDecoder().decode(changed)), null, 2))
    else if (edit.jsonField !== undefined) changed = mutateField(changed, edit)
    else if (edit.offset !== undefined) changed[edit.offset]! ^= edit.xor!
  }
  return changed
}

function mutateField(bytes: Uint8Array, edit: Mutation['edits'][number]): Uint8Array<ArrayBuffer> {
  const object = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
  const [, name, index] = /^(\w+)(?:\[(\d+)\])?$/.exec(edit.jsonField!)!
  const holder = (index === undefined ? object : object[name!]) as Record<string, string>
  const key = index ?? name!
  const field = fromHex(holder[key]!)
  field[edit.offset!]! ^= edit.xor!
  holder[key] = toHex(field)
  return new TextEncoder().encode(JSON.stringify(object))
}

/** One case names collateral that the corpus lacks. */
const isThere = (file: string | undefined): boolean => file === undefined || existsSync(join(corpus, file))

beforeAll(loadPieces)

describe.skipIf(!present)('evidence of genuine silicon with one change', () => {
  const cases = negatives.mutations.map(
    (mutation, index) => [`${index} ${mutation.base}`, mutation.field, mutation] as const,
  )

  it.each(cases)('%s, %s: is refused for the stated reason', async (_, __, mutation) => {
    const entry = manifest.find(({ path }) => path === mutation.base)!
    const { expected } = entry
    const changed = mutate(read(mutation.base), mutation.edits)
    const pieces = detect(mutation.base, changed)
    const signer = mutation.signer ?? expected.signerCert
    const beside = [...(signer === undefined ? [] : [signer]), ...(akBeside[mutation.base] ?? [])]
    const nonce = mutation.expect.includes('egnellahc') ? 'egnellahc' : 'challenge'
    const policy: EvidencePolicy = {
      ...debugAllowed,
      ...(entry.kind === 'tpm-quote' ? { tpm: { nonce: new TextEncoder().encode(nonce) } } : {}),
    }
    const times = [expected.windows?.[0]?.frm, expected.pckValidFrom, expected.validFrom, '2025-06-01T00:00:00Z']
    let time = at(times.find((each) => typeof each === 'string') as string)
    let more: Piece[] = []
    if (entry.kind === 'tcg-eventlog') {
      // A log is compared with the registers that the genuine one replays to.
      const { checkEventLog } = await import('../../packages/evidence/src/checks/check-log.ts')
      const { parseEventLog } = await import('../../packages/evidence/src/eventlog/event-log.ts')
      const { replay } = await import('../../packages/evidence/src/eventlog/replay.ts')
      const registers = await replay(parseEventLog(read(mutation.base)), 'sha256')
      const { check } = await checkEventLog({ log: changed, registers })
      expectReason(mutation, failedCodes(check))
      return
    }
    if (entry.kind === 'tdx-collateral') {
      time = new Date('2026-03-20T00:00:00Z')
      more = collateral.filter(({ kind }) => kind === 'crl')
    }
    const judgement = await judgeFiles([...beside, ...pieces], time, { policy, more })
    if (mutation.expect.startsWith('still verifies')) {
      // ECDSA has two forms of each signature: a report's bytes are no identity, and it stays genuine.
      expect(shows(judgement, 'snp.signature')).toBe('passed')
      return
    }
    expect(judgement.verdict).toBe('refused')
    expectReason(mutation, failedCodes(judgement.check))
  })

  it.each(
    negatives.policyAndTime
      .filter(({ collateral: file }) => isThere(file))
      .map((each, index) => [`${index} ${each.base}`, each.expect, each] as const),
  )('%s: %s', async (_, __, wanted) => {
    const entry = manifest.find(({ path }) => path === wanted.base)!
    const { expected } = entry
    const time = new Date(wanted.at ?? at((expected.pckValidFrom ?? expected.validFrom!) as string))
    const own = [...new Set([wanted.base, ...(expected.signerCert === undefined ? [] : [expected.signerCert])])]
    const more =
      wanted.collateral === undefined
        ? collateral
        : [...detect(wanted.collateral, read(wanted.collateral)), ...collateral]
    const judgement = await judgeFiles(own, time, { more })
    const text = JSON.stringify(judgement.check)
    if (wanted.expect.includes('VLEK expired') || wanted.expect.includes('VCEK expired'))
      expect(judgement.code).toBe('CertificateExpired')
    else if (wanted.expect.includes('collateral expired')) expect(judgement.code).toMatch(/^(Collateral|Crl)Expired$/)
    else if (wanted.expect.includes('untrusted root')) expect(judgement.code).toBe('UntrustedRoot')
    else if (wanted.expect.includes('guest policy debug')) expect(text).toContain('policy.policy.debugAllowed')
    else if (wanted.expect.includes('td_attributes debug')) expect(judgement.verdict).not.toBe('accepted')
    else if (wanted.expect.includes('no matching TCB level'))
      expect([judgement.verdict, text]).toEqual(['refused', expect.stringContaining('NoMatchingLevel')])
    else expect(judgement.verdict).not.toBe('accepted')
  })
})

const akBeside: Record<string, string[]> = {
  'confidential-containers-trustee/az-snp-vtpm/tpm-quote-v1.json': [
    'confidential-containers-trustee/az-snp-vtpm/hcl-report.bin',
  ],
}

function expectReason(mutation: Mutation, codes: readonly string[]): void {
  const known = reasons.find(([stated]) => stated.test(mutation.expect))
  expect(known, mutation.expect).toBeDefined()
  expect([mutation.expect, codes, codes.some((code) => known![1].test(code))]).toEqual([mutation.expect, codes, true])
}
