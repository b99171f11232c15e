import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { ByteWriter } from '@strongroom/evidence'
import { CompactSign, type JWK } from 'jose'
import { eventLog } from './guest-log.ts'
import type { TestGuest } from './guest.ts'
import type { Answer, TestService } from './harness.ts'

export const tpmPath = '/attest/Tpm?api-version=2022-08-01'
const pcrs = [0, 1, 2, 3, 4, 5, 6, 7]

export interface IssuedChallenge {
  challenge: string
  service_context: string
}

/** A client's second message to `/attest/Tpm`, freely changeable. */
export interface TpmMessageParts {
  issued: IssuedChallenge
  /** Signed by the TPM; default: the challenge. */
  signed?: Uint8Array
  keys: { publicKey: KeyObject; privateKey: KeyObject }
  bank?: 'sha1' | 'sha256'
  /** Members of att_data. */
  data?: Record<string, unknown>
  /** Members of tpm_att_data. */
  tpm?: Record<string, unknown>
}

/** @param host the provider; default: the region's shared one */
export async function sendTpm(test: TestService, message: unknown, host?: string): Promise<Answer> {
  const body = { data: Buffer.from(JSON.stringify(message)).toString('base64url') }
  return test.post(tpmPath, body, host === undefined ? {} : { host })
}

/** Content of an answer. */
export function openTpm(answer: Answer): { payload: Record<string, string> } {
  const { data } = answer.body as { data: string }
  return JSON.parse(Buffer.from(data, 'base64url').toString()) as { payload: Record<string, string> }
}

export async function askChallenge(test: TestService, host?: string): Promise<IssuedChallenge> {
  const { payload } = openTpm(await sendTpm(test, { payload: { type: 'aikcert' } }, host))
  return { challenge: payload['challenge']!, service_context: payload['service_context']! }
}

/** Windows' platform claim of a guest: magic, version, bank, lengths, TPMT_SIGNATURE, TPMS_ATTEST, 24 registers. */
export async function platformClaim(
  guest: TestGuest,
  nonce: Uint8Array,
  bank: 'sha1' | 'sha256' = 'sha256',
): Promise<Uint8Array> {
  const quote = await guest.tpm.quote(pcrs, { nonce, bank })
  const values = await guest.tpm.registers([...Array(24).keys()], 'sha256')
  const head = new ByteWriter().u16be(0x14).u16be(0x0b).u16be(quote.signature.length)
  const signature = head.bytes(quote.signature).finish()
  const writer = new ByteWriter().u32le(0x414c5054).u32le(1).u32le(0x0b)
  writer.u32le(signature.length).u32le(quote.message.length)
  writer
    .u32le(24 * 32)
    .bytes(signature)
    .bytes(quote.message)
  for (const value of values.values()) writer.bytes(value)
  return writer.finish()
}

export async function tpmMessage(guest: TestGuest, o: TpmMessageParts, signer?: KeyObject): Promise<unknown> {
  const { n, e } = (await guest.tpm.akKey()).export({ format: 'jwk' })
  const nonce = o.signed ?? Buffer.from(o.issued.challenge, 'base64url')
  const payload = {
    att_type: 'basic',
    att_data: {
      rp_id: 'https://relying.example',
      rp_data: 'bm9uY2U',
      ...o.issued,
      tpm_att_data: {
        srtm_boot_log: Buffer.from(eventLog(guest.records)).toString('base64url'),
        aik_cert: Buffer.from(guest.akCertificate).toString('base64url'),
        aik_pub: { kty: 'RSA', n, e },
        current_claim: Buffer.from(await platformClaim(guest, nonce, o.bank)).toString('base64url'),
        ...o.tpm,
      },
      attest_key: o.keys.publicKey.export({ format: 'jwk' }) as JWK,
      ...o.data,
    },
  }
  const jws = await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'PS256', typ: 'attReq' })
    .sign(signer ?? o.keys.privateKey)
  return { payload: { request: jws } }
}

/** The whole exchange. @returns the report */
export async function answerChallenge(test: TestService, guest: TestGuest): Promise<string> {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const message = await tpmMessage(guest, { issued: await askChallenge(test), keys })
  return openTpm(await sendTpm(test, message)).payload['report']!
}
