import { compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose'
import { bytesOf, isObject, jsonObject, objectBody } from '../core/request.ts'
import { invalidParameter } from '../core/errors.ts'
import type { Challenge } from './challenges.ts'

/** `{"type":"aikcert"}`: the client asks for a challenge. */
export interface TpmInit {
  kind: 'init'
  /** Whether the message came inside `payload`, as the SDKs send it; the answer has the same form. */
  wrapped: boolean
}

/** `{"request":"<JWS>"}`: the client's answer to a challenge. */
export interface TpmRequest {
  kind: 'request'
  wrapped: boolean
  relyingParty: string | undefined
  /** base64url as sent; returned in the token. */
  relyingPartyData: string | undefined
  challenge: Challenge
  /** DER */
  akCertificate: Uint8Array
  akPublic: JWK
  /** Windows' platform claim: a quote over the challenge, with its registers. */
  currentClaim: Uint8Array
  bootLog: Uint8Array
  /** The key that signed the request. */
  attestKey: JWK
}

const algorithms = ['PS256', 'RS256']

/**
 * Reads `data` of `POST /attest/Tpm`, in the messages of Azure's TPM attestation protocol; a request is signed by its own key.
 * @throws ServiceError InvalidParameter; AttestationTypeNotOffered for VBS enclaves
 */
export async function readTpmMessage(body: Record<string, unknown>): Promise<TpmInit | TpmRequest> {
  const { jws, message } = parseTpmMessage(body)
  if (message.kind === 'request') await verifySender(jws, message.attestKey)
  return message
}

/** The same before the request's signature is verified: its content is unverified. */
export function parseTpmMessage(body: Record<string, unknown>): { jws: string; message: TpmInit | TpmRequest } {
  const outer = jsonObject(bytesOf(body['data'], 'data'), 'data')
  const wrapped = typeof outer['payload'] === 'object' && outer['payload'] !== null
  const message = wrapped ? objectBody(outer['payload']) : outer
  if (message['type'] === 'aikcert') return { jws: '', message: { kind: 'init', wrapped } }
  const jws = message['request']
  if (typeof jws !== 'string') {
    throw invalidParameter({
      target: 'data',
      message: 'The message is neither a challenge request nor a response to a challenge.',
      expected: '{"type":"aikcert"} or {"request":"<JWS>"}',
      found: Object.keys(message).join(', ').slice(0, 100),
    })
  }
  const payload = jsonObject(payloadOf(jws), 'request')
  if (payload['att_type'] !== 'basic') {
    throw invalidParameter({
      target: 'request.att_type',
      message: 'VBS enclaves are not supported here.',
      expected: '"basic"',
      found: JSON.stringify(payload['att_type']) ?? 'nothing',
      reason: 'AttestationTypeNotOffered',
    })
  }
  const data = memberOf(payload, 'att_data')
  const tpm = memberOf(data, 'tpm_att_data')
  if (Array.isArray(data['custom_claims']) && data['custom_claims'].length > 0) {
    throw invalidParameter({
      target: 'request.custom_claims',
      message: 'Client-supplied claims are not supported here: nothing measures them.',
      expected: 'no custom_claims',
    })
  }
  const attestKey = memberOf(data, 'attest_key') as JWK
  const bytes = (from: Record<string, unknown>, name: string): Uint8Array => bytesOf(from[name], `request.${name}`)
  const request: TpmRequest = {
    kind: 'request',
    wrapped,
    relyingParty: text(data, 'rp_id'),
    relyingPartyData: text(data, 'rp_data'),
    challenge: { challenge: bytes(data, 'challenge'), context: bytes(data, 'service_context') },
    akCertificate: bytes(tpm, 'aik_cert'),
    akPublic: memberOf(tpm, 'aik_pub') as JWK,
    currentClaim: bytes(tpm, 'current_claim'),
    bootLog: bytes(tpm, 'srtm_boot_log'),
    attestKey,
  }
  return { jws, message: request }
}

/** The key in the request signs it, which proves possession. */
async function verifySender(jws: string, key: JWK): Promise<void> {
  try {
    // Valid for an RSA key only, whatever else attest_key contains.
    const { kty, n, e } = key
    const rsa = await importJWK({ kty: kty!, n: n!, e: e! }, decodeProtectedHeader(jws).alg)
    await compactVerify(jws, rsa, { algorithms })
  } catch (cause) {
    throw invalidParameter({
      target: 'request',
      message: 'The request is not signed by its attest_key.',
      expected: `a JWS by attest_key (RSA), ${algorithms.join(' or ')}`,
      reason: 'RequestSignatureInvalid',
      remedy: 'Sign the request with the private key of attest_key.',
      cause,
    })
  }
}

function payloadOf(jws: string): Uint8Array {
  return bytesOf(jws.split('.')[1], 'request')
}

function memberOf(from: Record<string, unknown>, name: string): Record<string, unknown> {
  const value = from[name]
  if (isObject(value)) return value
  throw invalidParameter({
    target: `request.${name}`,
    message: `${name} is missing in the request.`,
    expected: 'a JSON object',
  })
}

function text(from: Record<string, unknown>, name: string): string | undefined {
  const value = from[name]
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && value.length <= 1024) return value
  throw invalidParameter({
    target: `request.${name}`,
    message: `${name} is invalid.`,
    expected: 'text of at most 1024 characters',
  })
}
