import type { KeyAttestationStatement, KeyStanding, TokenStanding } from '@strongroom/contract'
import { keyAttestationUsage } from '@strongroom/contract'
import { EvidenceError, verifyCertifiedJws, type TrustAnchor } from '@strongroom/evidence'
import { CliError } from '../core/cli-error.ts'

export interface AttestedKey {
  statement: KeyAttestationStatement
  /** The signing certificate. */
  signer: string
}

/**
 * A statement about a key, verified without relying on the service that made it.
 * @param content as `az keyvault key get-attestation` writes it, as REST returns it, or the statement itself
 * @throws CliError KeyAttestationRefused; InvalidArgument if there is no statement
 */
export async function readAttestedKey(
  content: string,
  o: { roots: readonly TrustAnchor[]; at: Date },
): Promise<AttestedKey> {
  const jws = statementIn(content)
  try {
    const { jws: parsed, chain } = await verifyCertifiedJws({
      jws,
      at: o.at,
      roots: o.roots,
      signer: 'any',
      // The authority certifies other keys too: only the key service's own for this purpose may make a statement.
      usage: keyAttestationUsage,
    })
    return { statement: statementOf(parsed.payload), signer: chain[0]!.subject.commonName ?? 'no name' }
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw new CliError({
      code: 'KeyAttestationRefused',
      message: `The statement was not signed by the key service: ${cause.message}.`,
      expected: cause.expected ?? "a statement signed under the installation's authority",
      found: cause.found ?? 'another',
      remedy: 'Fetch the attestation again, and get ca.pem from the installation over a channel you trust.',
      cause,
    })
  }
}

/** Why a key does not meet its reader's requirements; empty if it does. */
export function shortcomings(
  statement: KeyAttestationStatement,
  o: { allowSoftware: boolean; allowImported: boolean; key?: Record<string, unknown> },
): { claim: string; expected: string; found: string }[] {
  const found: { claim: string; expected: string; found: string }[] = []
  const want = (holds: boolean, claim: string, expected: string, value: unknown): void => {
    if (!holds) found.push({ claim, expected, found: shown(value) })
  }
  const { keystore, exportable } = statement
  if (keystore.kind === 'software') want(o.allowSoftware, 'keystore.kind', 'pkcs11', 'software')
  else {
    const { object } = keystore
    want(object.sensitive === true, 'object.sensitive', 'true', object.sensitive)
    want(object.extractable === exportable, 'object.extractable', String(exportable), object.extractable)
    if (!o.allowImported) {
      want(object.local === true, 'object.local', 'true', object.local)
      want(object.alwaysSensitive === true, 'object.alwaysSensitive', 'true', object.alwaysSensitive)
      if (!exportable)
        want(object.neverExtractable === true, 'object.neverExtractable', 'true', object.neverExtractable)
    }
  }
  for (const name of ['kid', 'kty', 'n', 'e', 'crv', 'x', 'y'] as const) {
    const wanted = o.key?.[name]
    const value = statement.key[name]
    if (o.key === undefined || wanted === undefined || wanted === null) continue
    // az shows numbers in base64url as well, padded in some versions.
    want(shown(wanted).replace(/={1,2}$/, '') === value, `key.${name}`, shown(wanted), value)
  }
  return found
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'no answer'))

/** A summary of the statement, for display. */
export function describeKeystore(keystore: KeyStanding): string[] {
  if (keystore.kind === 'software') {
    return ['held by:     software. The private half is in the service’s memory while in use; no device protects it.']
  }
  const { token, object } = keystore
  return [
    `held by:     the PKCS#11 token ${token.label}, serial ${token.serial}: ${token.manufacturer}, ` +
      `${token.model}, firmware ${token.firmware}`,
    ...(/softhsm/i.test(`${token.manufacturer} ${token.model}`)
      ? ['             SoftHSM is a program, not a device: its keys are in files on the host.']
      : []),
    `the token says: ${Object.entries(object)
      .map(([name, value]) => `${name} ${value ? 'yes' : 'no'}`)
      .join(', ')}`,
    ...memoryWrappings(keystore),
    'This is what the token reported to the service, signed by the service. The token itself signed nothing.',
  ]
}

function memoryWrappings({ releaseWrappings }: TokenStanding): string[] {
  const names = Object.entries(releaseWrappings).flatMap(([name, where]) => (where === 'memory' ? [name] : []))
  if (names.length === 0) return []
  return [
    `A release with ${names.join(' or ')} creates its AES key in the service's memory: the token does not support that hash.`,
  ]
}

function statementIn(content: string): string {
  const text = content.trim()
  if (/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}$/.test(text)) return text
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Refused below.
  }
  const attestation = memberOf(memberOf(value, 'attributes'), 'attestation') ?? value
  const encoded = memberOf(attestation, 'privateKeyAttestation') ?? memberOf(attestation, 'private_key_attestation')
  if (typeof encoded === 'string') return Buffer.from(encoded, 'base64').toString('utf8')
  throw new CliError({
    code: 'InvalidArgument',
    message: 'The file does not contain a statement about a key.',
    exitCode: 2,
    expected: 'the output of az keyvault key get-attestation, or attributes.attestation with privateKeyAttestation',
    found: 'something else',
    remedy: 'az keyvault key get-attestation --hsm-name NAME -n KEY -f attestation.json',
  })
}

function statementOf(payload: Uint8Array): KeyAttestationStatement {
  const value = JSON.parse(new TextDecoder().decode(payload)) as KeyAttestationStatement
  if (value.statement === 'strongroom-key-attestation' && value.version === '1.0') return value
  throw new CliError({
    code: 'KeyAttestationRefused',
    message: 'The signed content is not a key statement of a known version.',
    expected: 'strongroom-key-attestation 1.0',
    found: `${String(value.statement)} ${String(value.version)}`,
    remedy: 'Verify it with the version of strongroom that created it.',
  })
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
