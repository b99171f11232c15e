import {
  constants,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  privateDecrypt,
  randomUUID,
  type KeyObject,
} from 'node:crypto'
import type { Agent } from 'node:https'
import type { ReleaseWrapping } from '@strongroom/contract'
import { exchange } from '@strongroom/platform/http-client'
import { askAsOwner } from '../client/https.ts'
import { CliError } from '../core/cli-error.ts'

/** Body of the attest call of a host, `/attest/SevSnpVm`. */
export interface Evidence {
  report: string
  runtimeData: { data: string; dataType: 'JSON' }
}

/** How a token is made. */
export interface TokenOptions {
  /**
   * `guest` (default): as a program in a VM gets it from `/attest/AzureGuest`, with the hardware’s claims in
   * `x-ms-isolation-tee`. `platform`: as a host gets it from `/attest/SevSnpVm`.
   */
  shape?: 'guest' | 'platform'
  /** Of the provider; default: the cloud’s `issuer`. */
  issuer?: string
  /** With `platform`: members of the runtime data, added to the key of `unwrap` and a VM’s configuration, or instead of them. */
  runtimeData?: object
}

const patience = { silent: 30_000 }
const answerLimit = 4 * 1024 * 1024
const paths = {
  platform: '/attest/SevSnpVm?api-version=2022-08-01',
  guest: '/attest/AzureGuest?api-version=2020-10-01',
} as const
const oaepHashes: Readonly<Record<ReleaseWrapping, string>> = {
  CKM_RSA_AES_KEY_WRAP: 'sha1',
  RSA_AES_KEY_WRAP_256: 'sha256',
  RSA_AES_KEY_WRAP_384: 'sha384',
}

interface WrappedKey {
  ciphertext: string
  header: { enc: ReleaseWrapping }
}

const decoded = (part: string | undefined): Buffer => Buffer.from(part ?? '', 'base64url')
const parsed = <T = Record<string, unknown>>(bytes: Buffer): T => JSON.parse(bytes.toString('utf8')) as T

/** A confidential VM as programs see it, in tests: it has evidence by the cloud's simulated processor, and a key. */
export class TestGuest {
  readonly #socket: string
  readonly #agent: Agent
  readonly #issuer: string
  readonly #vmId = randomUUID().toUpperCase()
  #pair: { publicKey: KeyObject; privateKey: KeyObject } | undefined

  /** @param o.socket of the test API @param o.issuer default provider */
  constructor(o: { socket: string; agent: Agent; issuer: string }) {
    this.#socket = o.socket
    this.#agent = o.agent
    this.#issuer = o.issuer
  }

  async evidence(runtimeData: object = {}): Promise<Evidence> {
    const data = Buffer.from(JSON.stringify({ ...this.#ownRuntimeData(), ...runtimeData })).toString('base64url')
    return await askAsOwner<Evidence>(this.#socket, '/evidence/platform', { runtimeData: data })
  }

  async token({ shape = 'guest', issuer = this.#issuer, runtimeData }: TokenOptions = {}): Promise<string> {
    if (shape === 'platform') return await this.#attest(issuer, shape, await this.evidence(runtimeData))
    const modulus = this.#keys().publicKey.export({ format: 'jwk' }).n
    const sealed = await this.#attest(
      issuer,
      shape,
      await askAsOwner<object>(this.#socket, '/evidence/guest', { modulus }),
    )
    return this.#unseal(sealed)
  }

  /** RSA-OAEP of an AES key, then RFC 5649. */
  unwrap(released: string): KeyObject {
    const { response } = parsed(decoded(released.split('.')[1])) as { response: { key: { key: { key_hsm: string } } } }
    const { ciphertext, header } = parsed<WrappedKey>(decoded(response.key.key.key_hsm))
    const bytes = decoded(ciphertext)
    const { privateKey } = this.#keys()
    const length = 2048 / 8
    const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHashes[header.enc] }
    const aesKey = privateDecrypt({ key: privateKey, ...padding }, bytes.subarray(0, length))
    const decipher = createDecipheriv('id-aes256-wrap-pad' as string, aesKey, Buffer.from('a65959a6', 'hex'))
    const pkcs8 = Buffer.concat([decipher.update(bytes.subarray(length)), decipher.final()])
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  }

  /** Made at its first use. */
  #keys(): { publicKey: KeyObject; privateKey: KeyObject } {
    return (this.#pair ??= generateKeyPairSync('rsa', { modulusLength: 2048 }))
  }

  #ownRuntimeData(): object {
    const { n, e } = createPublicKey(this.#keys().privateKey).export({ format: 'jwk' })
    return {
      keys: [{ kid: 'HCLTransferKey', key_ops: ['encrypt'], kty: 'RSA', e, n }],
      'vm-configuration': { 'secure-boot': true, 'tpm-enabled': true, vmUniqueId: this.#vmId },
    }
  }

  async #attest(issuer: string, shape: 'guest' | 'platform', body: object): Promise<string> {
    const { status, body: answer } = await exchange({
      method: 'POST',
      url: new URL(paths[shape], issuer),
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
      agent: this.#agent,
      patience,
      answerLimit,
    })
    const reply = parsed(answer)
    if (status === 200) return String(reply['token'])
    throw CliError.fromDetail(reply['error'] as Parameters<typeof CliError.fromDetail>[0], status)
  }

  /** As Azure's guest library opens it: the token is sealed to the key that it names. */
  #unseal(sealed: string): string {
    const envelope = parsed(decoded(sealed)) as {
      EncryptedInnerKey: string
      EncryptionParams: { Iv: string }
      AuthenticationData: string
      Jwt: string
    }
    const bytes = (text: string): Buffer => Buffer.from(text, 'base64')
    const inner = { key: this.#keys().privateKey, padding: constants.RSA_PKCS1_PADDING }
    const key = privateDecrypt(inner, bytes(envelope.EncryptedInnerKey))
    const decipher = createDecipheriv('aes-256-gcm', key, bytes(envelope.EncryptionParams.Iv), { authTagLength: 16 })
    decipher.setAAD(Buffer.from('Transport Key')).setAuthTag(bytes(envelope.AuthenticationData))
    return decipher.update(bytes(envelope.Jwt)).toString('utf8') + decipher.final('utf8')
  }
}
