import { concat, equal } from '../../core/bytes/bytes.ts'
import { VerificationError, type VerificationErrorCode } from '../../core/errors.ts'
import { appendSignatureLists, parseSignatureLists } from '../../eventlog/signature-list.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { describeName, sameName } from '../../x509/name.ts'
import { parseSignedData, readable, signerOf } from '../../x509/signed-data.ts'
import { verifySignature } from '../../x509/verify-signature.ts'
import { authenticatedContent, compareEfiTimes, parseAuthenticatedVariable } from './authenticated-variable.ts'
import type { SecureBootState, SecureBootVariable } from './secure-boot-variables.ts'

/** A change of one Secure Boot variable. */
export type SecureBootUpdate =
  /** A signed write: EFI_VARIABLE_AUTHENTICATION_2 and the data behind it. */
  | { variable: SecureBootVariable; signed: Uint8Array }
  /** Signature lists behind what dbx held: it refuses more than before, and accepts nothing else. */
  | { variable: 'dbx'; appended: Uint8Array }

/** What an update did. */
export interface AppliedUpdate {
  state: SecureBootState
  /** Of whose certificate the signing key is; absent where nothing is signed. */
  signer?: string
  /** False where the update replaced what the variable held. */
  append: boolean
}

const mostCertificates = 4

/**
 * The variables after a signed write, by the rules of firmware (UEFI 2.10, section 8.2.2; EDK II, AuthVariableLib): db and dbx are written
 * under a key in KEK, KEK and PK under the one in PK. A write that replaces has to be later than the one before; one that appends
 * leaves what is there. Certificates count whatever their dates: firmware trusts no clock, and Microsoft's of 2011 have expired.
 * @throws ParseError; VerificationError VariableSignatureInvalid, VariableSignerNotAllowed, VariableNotNewer, VariableNotAllowed
 * @example
 * import { readFile } from 'node:fs/promises'
 * import {
 *   applySecureBootUpdate, dbOwner, parseSignatureLists, parseVariableStore, secureBootState, signatureLists,
 * } from '@strongroom/evidence/expected'
 *
 * const store = secureBootState(parseVariableStore(await readFile('variables.fd')))
 * const publisher = signatureLists({ owner: dbOwner, certificates: [await readFile('publisher.der')] })
 * const state = { ...store, KEK: { ...store.KEK, data: publisher } }
 * const signed = await readFile('dbx.auth')
 * const applied = await applySecureBootUpdate(state, { variable: 'dbx', signed })
 * applied.append // => true
 * parseSignatureLists(applied.state.dbx.data).length - parseSignatureLists(state.dbx.data).length // => 1
 * applied.signer // => 'publisher'
 * applySecureBootUpdate(store, { variable: 'dbx', signed }) // throws VerificationError VariableSignerNotAllowed
 */
export async function applySecureBootUpdate(state: SecureBootState, update: SecureBootUpdate): Promise<AppliedUpdate> {
  const { variable } = update
  if ('appended' in update) {
    parseSignatureLists(update.appended)
    const { data, timestamp } = state.dbx
    return { state: { ...state, dbx: { data: concat(data, update.appended), timestamp } }, append: true }
  }
  const parsed = parseAuthenticatedVariable(update.signed)
  const { timestamp, data } = parsed
  const { append, signer, others } = await signerOfUpdate(variable, parsed)
  await requireEntitled({ state, variable, signer, others })
  const before = state[variable]
  if (!append && compareEfiTimes(timestamp, before.timestamp) <= 0)
    refuse('VariableNotNewer', `The update of ${variable} is not later than the one before`, {
      expected: `later than ${shownTime(before.timestamp)}`,
      found: shownTime(timestamp),
    })
  const after = append ? appendSignatureLists(before.data, data) : data
  requireSound(variable, after)
  const later = append && compareEfiTimes(timestamp, before.timestamp) <= 0 ? before.timestamp : timestamp
  const signerName = describeName(signer.subject)
  return { state: { ...state, [variable]: { data: after, timestamp: later } }, signer: signerName, append }
}

/** The attributes are signed: a signature holds as a replacement or as an append, never as both. */
async function signerOfUpdate(
  variable: SecureBootVariable,
  { timestamp, data, signedData }: ReturnType<typeof parseAuthenticatedVariable>,
): Promise<{ append: boolean; signer: Certificate; others: Certificate[] }> {
  const parsed = parseSignedData(signedData)
  for (const append of [true, false]) {
    const found = await signerOf(parsed, authenticatedContent({ variable, append, timestamp, data }))
    if (found !== undefined) return { append, ...found }
  }
  return refuse('VariableSignatureInvalid', `The update is not a signed write of ${variable}`, {
    expected: `a signature (RSA, SHA-256) over ${variable}, its attributes, its time and its data`,
    found: 'none that holds',
  })
}

/** Entitled is a certificate that the variable above holds, and whom one of them issued a certificate. */
async function requireEntitled(o: {
  state: SecureBootState
  variable: SecureBootVariable
  signer: Certificate
  others: readonly Certificate[]
}): Promise<void> {
  const above = o.variable === 'db' || o.variable === 'dbx' ? 'KEK' : 'PK'
  const trusted = parseSignatureLists(o.state[above].data)
    .filter(({ type }) => type === 'x509')
    .flatMap(({ content }) => readable(content))
  if (await isVouchedFor(o.signer, trusted, o.others.slice(0, mostCertificates))) return
  refuse('VariableSignerNotAllowed', `The update of ${o.variable} is signed by a key that ${above} does not hold`, {
    expected: trusted.map(({ subject }) => describeName(subject)).join(' or ') || `a key in ${above}`,
    found: describeName(o.signer.subject),
  })
}

async function isVouchedFor(
  certificate: Certificate,
  trusted: readonly Certificate[],
  between: readonly Certificate[],
): Promise<boolean> {
  if (trusted.some(({ raw }) => equal(raw, certificate.raw))) return true
  for (const issuer of trusted) if (await hasIssued(issuer, certificate)) return true
  for (const issuer of between) {
    const rest = between.filter((each) => each !== issuer)
    if ((await hasIssued(issuer, certificate)) && (await isVouchedFor(issuer, trusted, rest))) return true
  }
  return false
}

async function hasIssued(issuer: Certificate, certificate: Certificate): Promise<boolean> {
  if (issuer.basicConstraints?.ca !== true || !sameName(issuer.subject, certificate.issuer)) return false
  const { signatureAlgorithm: algorithm, signature, tbs: data } = certificate
  const subject = describeName(certificate.subject)
  try {
    return await verifySignature({ key: issuer.publicKey, algorithm, signature, data, subject })
  } catch (error) {
    // A key that does not fit the algorithm has issued nothing.
    if (error instanceof VerificationError) return false
    throw error
  }
}

/** Without a platform key nothing is checked any longer: Secure Boot is the owner's to switch off, by name. */
function requireSound(variable: SecureBootVariable, after: Uint8Array): void {
  const entries = parseSignatureLists(after)
  if (variable === 'PK' && (entries.length !== 1 || entries[0]?.type !== 'x509'))
    refuse('VariableNotAllowed', 'PK holds one certificate', {
      expected: 'one',
      found: `${entries.length} entries`,
    })
  if (variable === 'KEK' && entries.length === 0)
    refuse('VariableNotAllowed', 'KEK holds at least one key', { expected: 'a key', found: 'none' })
}

const shownTime = (time: Uint8Array): string => {
  const two = (value: number | undefined): string => String(value ?? 0).padStart(2, '0')
  const year = (time[1] ?? 0) * 256 + (time[0] ?? 0)
  return year === 0
    ? 'no time'
    : `${year}-${two(time[2])}-${two(time[3])}T${two(time[4])}:${two(time[5])}:${two(time[6])}Z`
}

function refuse(code: VerificationErrorCode, message: string, o: { expected: string; found: string }): never {
  throw new VerificationError({ code, message, subject: 'Secure Boot variable', ...o })
}
