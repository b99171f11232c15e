import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import type { HashName } from '../eventlog/algorithms.ts'
import type { BootPolicy } from '../eventlog/boot-claims.ts'
import { parseTpmsAttest, type QuoteAttest, type TpmsAttest } from '../tpm/attest.ts'
import { requireAttestationKey, type TpmPublicKey } from '../tpm/public.ts'
import { requireRegisters, type VerifiedQuote, verifyQuote } from '../tpm/quote.ts'
import { parseTpmtSignature, type TpmSignature, verifyTpmSignature } from '../tpm/signature.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { verifyPath } from '../x509/path.ts'
import { appraised, type Checked, passed, unendorsed } from './check.ts'
import { checkEventLog } from './check-log.ts'
import { Checklist } from './checklist.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import type { Failure } from '../core/failure.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'

/** A quote with its accompanying data. */
export interface TpmEvidence {
  message: Uint8Array
  /** If absent, there is no verdict. */
  signature?: Uint8Array | TpmSignature | undefined
  /** If absent, the signature cannot be verified. */
  akPublic?: Uint8Array | TpmPublicKey | undefined
  /**
   * What binds the key to a machine: claims bound by a hardware report, a certificate chain (leaf first, DER) under the
   * verifier's roots, or the caller, who knows whose key it is. Nothing binds a key in a `file` of its own: everything
   * else is judged. If absent, nothing does either, and there is no verdict.
   */
  keyBoundBy?:
    | 'claims'
    | 'caller'
    | 'file'
    | { chain: readonly Uint8Array[]; roots: readonly TrustAnchor[] | undefined; at: Date }
  /** If absent, freshness is not checked. */
  nonce?: Uint8Array | undefined
  /** Challenge stored beside the quote: it must be the one answered, but proves no freshness. */
  statedNonce?: Uint8Array | undefined
  /** If absent, only what the TPM signed is judged. */
  pcrs?: ReadonlyMap<number, Uint8Array> | undefined
  bank?: HashName | undefined
  eventLog?: Uint8Array | undefined
  /** Logs given beside the quote's own: each must replay to the registers. */
  furtherLogs?: readonly Uint8Array[] | undefined
  /** Requirements on the event log. */
  bootPolicy?: BootPolicy | undefined
  /** Required register values, by number. */
  expectedPcrs?: ReadonlyMap<number, Uint8Array> | undefined
}

/**
 * Checks a TPM2_Quote check by check, then its event log.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { attestationKeyOf, checkTpmQuote, firstFailure, fromHex, parseHclReport, parseRuntimeClaims, utf8 } from '@strongroom/evidence'
 *
 * const pcrs: string[] = JSON.parse(await readFile('azure/pcrs.json', 'utf8'))
 * const { claims } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * const { check } = await checkTpmQuote({
 *   message: await readFile('azure/quote.msg'),
 *   signature: { scheme: 'rsassa', hash: 'sha256', signature: await readFile('azure/quote.sig') },
 *   akPublic: attestationKeyOf(parseRuntimeClaims(claims)),
 *   keyBoundBy: 'claims',
 *   nonce: utf8('challenge'),
 *   pcrs: new Map(pcrs.map((value, index) => [index, fromHex(value)])),
 * })
 * firstFailure(check) // => undefined
 * check.children.find(({ id }) => id === 'tpm.signature')?.outcome // => 'passed'
 */
export async function checkTpmQuote(o: TpmEvidence): Promise<Checked<VerifiedQuote>> {
  const list = new Checklist()
  if (o.akPublic === undefined) list.skip('tpm.key', 'The attestation key was not given')
  const key =
    o.akPublic &&
    (await list.run('tpm.key', [o.akPublic], (given: Uint8Array | TpmPublicKey) =>
      given instanceof Uint8Array ? requireAttestationKey(given) : given,
    ))
  if (key !== undefined) await checkKeyBinding(list, o)
  const signature = await checkSignature(list, key, o)
  const attest = await list.run('tpm.format', [], () => readQuote(o.message), describeQuote)
  if (o.nonce !== undefined || (o.statedNonce !== undefined && !answers(attest, o.statedNonce))) {
    await list.run('tpm.nonce', [attest, o.nonce ?? o.statedNonce], requireNonce)
  } else if (o.statedNonce !== undefined) {
    const message = 'It answers the challenge stored with it; whether that was fresh is not known here'
    list.skip('tpm.nonce', message, { optional: true })
  } else {
    list.skip(
      'tpm.nonce',
      `No challenge was given; the quote answers ${toHex(attest?.extraData ?? new Uint8Array()) || 'none'}`,
      { optional: true },
    )
  }
  const bank = o.bank ?? 'sha256'
  if (o.pcrs === undefined) list.skip('tpm.registers', 'No registers were given', { optional: true })
  else {
    const hash = signature?.hash ?? bank
    await list.run('tpm.registers', [attest, o.pcrs], (quote: QuoteAttest, pcrs: ReadonlyMap<number, Uint8Array>) =>
      requireRegisters({ attest: quote, pcrs, bank, hash }),
    )
  }
  let value: VerifiedQuote | undefined
  // An unbound key's statements are still shown; only the verdict is missing.
  const holds = list.checks.every(
    ({ id, outcome, optional }) =>
      outcome === 'passed' || optional === true || (id === 'tpm.binding' && outcome === 'skipped'),
  )
  if (holds && o.pcrs && o.akPublic !== undefined && o.signature !== undefined && attest !== undefined) {
    const { pcrs, akPublic, message } = o
    try {
      value = await verifyQuote({
        message,
        signature: o.signature,
        akPublic,
        pcrs,
        bank,
        nonce: o.nonce ?? attest.extraData,
      })
    } catch (error) {
      await list.run('tpm.registers', [], () => {
        throw error
      })
    }
  }
  if (o.expectedPcrs !== undefined) {
    if (value === undefined) list.skip('tpm.expected', 'The registers are not verified')
    else list.add(appraised('tpm.expected', comparePcrs(value.pcrs, o.expectedPcrs)))
  }
  const logs = [o.eventLog, ...(o.furtherLogs ?? [])].filter((log) => log !== undefined)
  for (const log of logs) {
    const { check } = await checkEventLog({
      log,
      bank,
      registers: value?.pcrs,
      policy: o.bootPolicy,
      mustReplay: true,
    })
    list.add(check)
  }
  if (logs.length === 0 && o.bootPolicy !== undefined) list.skip('log', 'The event log was not given')
  const check = list.all('tpm')
  return { check, value: check.outcome === 'passed' ? value : undefined }
}

/** The statement's signature by the key, as one check. */
export async function checkSignature(
  list: Checklist,
  key: TpmPublicKey | undefined,
  { signature, message }: Pick<TpmEvidence, 'signature' | 'message'>,
): Promise<TpmSignature | undefined> {
  if (signature === undefined) {
    list.skip('tpm.signature', 'The signature was not given')
    return undefined
  }
  return list.run(
    'tpm.signature',
    [key],
    async (known: TpmPublicKey) => {
      const parsed = signature instanceof Uint8Array ? parseTpmtSignature(signature) : signature
      await verifyTpmSignature({ key: known, signature: parsed, message })
      return parsed
    },
    (parsed) => `${parsed.scheme} with ${parsed.hash}`,
  )
}

/** What binds the key to a machine, as one check. */
export async function checkKeyBinding(list: Checklist, o: TpmEvidence): Promise<void> {
  const { keyBoundBy: by } = o
  if (by === 'claims') list.add(passed('tpm.binding', 'in the claims that the hardware binds'))
  else if (by === 'caller') list.add(passed('tpm.binding', 'by the verifier, who names the key'))
  else if (by === 'file')
    list.add(unendorsed('tpm.binding', 'Nothing endorses the key: anyone can create one and sign registers with it'))
  else if (by === undefined) list.skip('tpm.binding', 'The key came with the quote: anyone can create both')
  else if (by.roots === undefined)
    list.skip('tpm.binding', 'The roots of the attestation key’s certificate were not given')
  else {
    const { chain, roots, at } = by
    await list.run('tpm.binding', [roots], (anchors: readonly TrustAnchor[]) =>
      verifyPath({ chain: chain.map((der) => parseCertificate(der)), anchors, at }),
    )
  }
}

function readQuote(message: Uint8Array): QuoteAttest {
  let attest: TpmsAttest
  try {
    attest = parseTpmsAttest(message)
  } catch (error) {
    if (!(error instanceof ParseError) || error.code !== 'WrongMagic') throw error
    throw new VerificationError({
      code: 'TpmMagicInvalid',
      message: 'The signed message was not made by the TPM',
      cause: error,
    })
  }
  if (attest.type === 'quote') return attest
  throw new VerificationError({
    code: 'TpmTypeMismatch',
    message: 'The TPM signed a structure of another kind',
    expected: 'quote',
    found: attest.type,
  })
}

function describeQuote(quote: QuoteAttest): string {
  return quote.pcrSelections.map(({ bank, pcrs }) => `${bank}: ${pcrs.join(' ')}`).join('; ')
}

function answers(quote: QuoteAttest | undefined, nonce: Uint8Array): boolean {
  return quote !== undefined && equal(quote.extraData, nonce)
}

function requireNonce(quote: QuoteAttest, nonce: Uint8Array): void {
  if (equal(quote.extraData, nonce)) return
  throw new VerificationError({
    code: 'NonceMismatch',
    message: 'The TPM signed another nonce',
    expected: toHex(nonce),
    found: toHex(quote.extraData),
  })
}

function comparePcrs(found: ReadonlyMap<number, Uint8Array>, expected: ReadonlyMap<number, Uint8Array>): Failure[] {
  const failures: Failure[] = []
  for (const [index, value] of expected) {
    const actual = found.get(index)
    if (actual === undefined) {
      failures.push({ path: `pcrs.${index}`, code: 'Missing', expected: toHex(value), actual: 'not quoted' })
    } else if (!equal(actual, value)) {
      failures.push({ path: `pcrs.${index}`, code: 'NotEqual', expected: toHex(value), actual: toHex(actual) })
    }
  }
  return failures
}
