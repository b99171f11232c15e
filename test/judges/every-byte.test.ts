import * as nodeCrypto from 'node:crypto'
import { spreadTo } from '@strongroom/platform/testing'
import { describe, expect, it } from 'vitest'
import {
  EvidenceError,
  nodePrimitives,
  parseSnpReport,
  parseTdxQuote,
  snpSignedLength,
  VerificationCache,
  verifySnp,
  verifyTdx,
} from '@strongroom/evidence'
import { verifySignatures } from '../../packages/evidence/src/tdx/verify.ts'
import { anchors, snpCases, tdxCases } from './corpus.ts'
import { missingForGoJudge } from './go-judge.ts'

const primitives = nodePrimitives(nodeCrypto)

/** Offsets whose change is accepted. An error of another package ends the test. */
async function accepted(
  bytes: Uint8Array,
  length: number,
  verify: (bytes: Uint8Array) => Promise<unknown>,
): Promise<number[]> {
  const found: number[] = []
  const changed = Uint8Array.from(bytes)
  for (const offset of spreadTo(length, 13)) {
    const kept = changed[offset] ?? 0
    for (const bit of [0x01, 0x80]) {
      changed[offset] = kept ^ bit
      try {
        await verify(changed)
        found.push(offset)
      } catch (error) {
        if (!(error instanceof EvidenceError)) throw error
      }
    }
    changed[offset] = kept
  }
  return found
}

const missing = missingForGoJudge()
if (missing !== undefined)
  process.stderr.write(`every byte: without ${missing} there may be no genuine evidence to alter\n`)

describe('of genuine evidence, no byte that a signature covers can be changed', { timeout: 600_000 }, () => {
  it.each(snpCases().map((one) => [one.name, one] as const))('%s', async (_, { report, chain, at }) => {
    const cache = new VerificationCache()
    const verify = async (bytes: Uint8Array): Promise<unknown> =>
      verifySnp({ report: parseSnpReport(bytes), chain, anchors, at, primitives, cache })
    await verify(report)
    expect(await accepted(report, snpSignedLength, verify)).toEqual([])
    // Nor the signature itself, nor what follows it.
    const rest = Uint8Array.from(report)
    expect(
      await accepted(report.subarray(snpSignedLength), report.length - snpSignedLength, async (tail) => {
        rest.set(tail, snpSignedLength)
        return verify(rest)
      }),
    ).toEqual([])
  })

  it.each(tdxCases().map((one) => [one.name, one] as const))('%s', async (_, { quote, collateral, at }) => {
    const cache = new VerificationCache()
    const verify = async (bytes: Uint8Array): Promise<unknown> => {
      const parsed = parseTdxQuote(bytes)
      return collateral === undefined
        ? verifySignatures({ quote: parsed, anchors: anchors.intel, at, primitives, cache })
        : verifyTdx({ quote: parsed, collateral, anchors, at, primitives, cache })
    }
    await verify(quote)
    // Header, body, signature, attestation key, QE report and its signature and data: everything before the certificates.
    const text = Buffer.from(quote).indexOf('-----BEGIN CERTIFICATE-----')
    expect(text).toBeGreaterThan(1200)
    expect(await accepted(quote, text, verify)).toEqual([])
  })
})
