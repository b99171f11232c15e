import { digest, utf8 } from '@strongroom/evidence'
import { cborBytes, sign1, type Writable } from '../corpus/support/cbor-writer.ts'

const curve = { name: 'ECDSA', namedCurve: 'P-384' }
const keyPair = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(curve, true, ['sign', 'verify'])

/** An enclave's document, made here: it does not chain to AWS's root. */
async function nitroDocument(): Promise<Uint8Array> {
  const payload: Writable = {
    map: [
      ['module_id', 'i-1-enc2'],
      ['digest', 'SHA384'],
      ['timestamp', Date.parse('2026-06-01')],
      ['pcrs', { map: [0, 1, 2].map((index): [number, Writable] => [index, new Uint8Array(48).fill(index + 1)]) }],
      ['certificate', utf8('certificate')],
      ['cabundle', { list: [utf8('root')] }],
      ['nonce', Uint8Array.of(1, 2, 3)],
    ],
  }
  return cborBytes(await sign1(cborBytes(payload), (await keyPair()).privateKey))
}

/** A realm's token, and its platform's public key, which a verifier gets out of band. */
async function ccaToken(): Promise<{ token: Uint8Array; platformKey: Uint8Array }> {
  const [platform, realm] = await Promise.all([keyPair(), keyPair()])
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', realm.publicKey))
  const realmClaims: [number, Writable][] = [
    [10, new Uint8Array(64).fill(7)],
    [44235, new Uint8Array(64)],
    [44236, 'sha-256'],
    [44237, publicKey],
    [44238, new Uint8Array(32).fill(3)],
    [44239, { list: [0, 1, 2, 3].map(() => new Uint8Array(32)) }],
    [44240, 'sha-256'],
  ]
  const platformClaims: [number, Writable][] = [
    [265, 'tag:arm.com,2023:cca_platform#1.0.0'],
    [10, await digest('SHA-256', publicKey)],
    [2396, new Uint8Array(32).fill(1)],
    [256, new Uint8Array(33).fill(1)],
    [2395, 0x3000],
    [2402, 'sha-256'],
  ]
  const part = async (claims: [number, Writable][], key: CryptoKey): Promise<Uint8Array> =>
    cborBytes({ tag: 18, value: await sign1(cborBytes({ map: claims }), key) })
  const parts: [number, Writable][] = [
    [44234, await part(platformClaims, platform.privateKey)],
    [44241, await part(realmClaims, realm.privateKey)],
  ]
  const platformKey = new Uint8Array(await crypto.subtle.exportKey('spki', platform.publicKey))
  return { token: cborBytes({ tag: 399, value: { map: parts } }), platformKey }
}

/** Evidence of technologies that the corpus lacks. */
export async function tokenFiles(): Promise<Record<string, Uint8Array>> {
  const { token, platformKey } = await ccaToken()
  return { 'nitro.cbor': await nitroDocument(), 'cca.cbor': token, 'cpak.der': platformKey }
}
