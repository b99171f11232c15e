import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { faultsOf, list, object, optional, text, upTo, type TypeOf } from '@strongroom/contract/shape'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { statementShape, type Statement } from './statement.ts'

/** For in-toto statements in DSSE (https://github.com/secure-systems-lab/dsse, envelope of version 1.0). */
const payloadType = 'application/vnd.in-toto+json'
const base64 = text(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'base64')
const envelopeShape = object({
  payloadType: upTo(100),
  payload: base64,
  signatures: list(object({ keyid: optional(upTo(200)), sig: base64 }), { least: 1, most: 16 }),
})
type Envelope = TypeOf<typeof envelopeShape>

/** What is signed: it includes the type, so that a signature over something else never counts for a statement. */
const preAuthentication = (payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload])

/** SHA-256 of a key's SubjectPublicKeyInfo, in hexadecimal. A hint: the reader decides which key is accepted. */
const keyIdOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')

/** Signed by Ed25519 (RFC 8032), which is deterministic. Ends with a newline. */
export function sealed(statement: Statement, privateKey: KeyObject): string {
  const payload = Buffer.from(JSON.stringify(statement))
  const signature = {
    keyid: keyIdOf(createPublicKey(privateKey)),
    sig: sign(null, preAuthentication(payload), privateKey).toString('base64'),
  }
  const envelope: Envelope = { payloadType, payload: payload.toString('base64'), signatures: [signature] }
  return `${JSON.stringify(envelope)}\n`
}

/**
 * The statement signed by `key`. Signatures by other keys are skipped.
 * @param content parsed JSON; `parse` reads the payload only after its signature was verified
 * @throws CliError ProvenanceMalformed, ProvenanceNotSigned
 */
export function opened(content: unknown, key: KeyObject, parse: (payload: Uint8Array) => unknown): Statement {
  const envelope = checked<Envelope>(content, envelopeShape, 'a DSSE envelope')
  if (envelope.payloadType !== payloadType) throw malformed('a DSSE envelope', payloadType, envelope.payloadType)
  const payload = Buffer.from(envelope.payload, 'base64')
  const message = preAuthentication(payload)
  if (!envelope.signatures.some(({ sig }) => verify(null, message, key, Buffer.from(sig, 'base64')))) {
    throw new CliError({
      code: 'ProvenanceNotSigned',
      message: 'The provenance statement is not signed by the key you named, or was changed.',
      exitCode: exitCodes.notTrusted,
      expected: `a signature of the key ${keyIdOf(key)}`,
      found: `signatures that claim to be by ${envelope.signatures.map(({ keyid }) => keyid ?? 'no key').join(', ')}`,
      remedy: "Fetch the statement again, and the releaser's key over a channel you trust. Do not use the files.",
    })
  }
  return checked<Statement>(parse(payload), statementShape, 'a provenance statement')
}

function checked<T>(value: unknown, shape: Parameters<typeof faultsOf>[0], what: string): T {
  const [fault] = faultsOf(shape, value)
  if (fault !== undefined) throw malformed(`${what} (${fault.target})`, fault.expected, fault.found)
  return value as T
}

const malformed = (what: string, expected: string, found: string): CliError =>
  new CliError({
    code: 'ProvenanceMalformed',
    message: `This is not ${what} of a release.`,
    exitCode: exitCodes.notTrusted,
    expected,
    found: found.slice(0, 200),
    remedy: 'Pass the *.provenance.json file that came with the release.',
  })

/** @throws CliError InvalidArgument if the PEM has no Ed25519 key */
export function ed25519KeyOf(pem: string | Buffer, kind: 'private' | 'public', path: string): KeyObject {
  let key: KeyObject | undefined
  try {
    key = kind === 'private' ? createPrivateKey(pem) : createPublicKey(pem)
  } catch {
    // Said below.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new CliError({
    code: 'InvalidArgument',
    message: `${path} is not a ${kind} key that signs releases.`,
    exitCode: exitCodes.usage,
    expected: `an Ed25519 ${kind} key, PEM`,
    found: key === undefined ? 'something else' : `a key of ${key.asymmetricKeyType}`,
    remedy:
      'openssl genpkey -algorithm ed25519 -out release.pem && openssl pkey -in release.pem -pubout -out release.pub.pem',
  })
}
