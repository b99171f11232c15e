import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { ServiceError, type WireClient, type WireRequest } from '@strongroom/platform'
import { kept } from '@strongroom/platform/testing'

export const providerUrl = 'https://sharedweu.weu.attest.strongroom.internal'

/** An attestation provider that attests whatever a test needs, over the services' own wire. */
export interface FakeProvider {
  wire: WireClient
  /** URLs that were requested. */
  asked: string[]
  /** What the provider publishes; a test may change it. */
  published: { keys: Record<string, unknown>[] }
  signingKey: KeyObject
  token(claims: Record<string, unknown>, header?: Record<string, unknown>): string
}

const { privateKey: signingKey } = kept('provider', () => generateKeyPairSync('rsa', { modulusLength: 2048 }))

export function createFakeProvider(now: () => Date): FakeProvider {
  const { n, e } = createPublicKey(signingKey).export({ format: 'jwk' })
  const provider: FakeProvider = {
    asked: [],
    published: { keys: [{ kid: 'provider-1', kty: 'RSA', use: 'sig', alg: 'RS256', n, e }] },
    signingKey,
    wire: {
      request: <T>(o: WireRequest) => {
        provider.asked.push(o.url)
        if (o.url !== `${providerUrl}/certs`) {
          return Promise.reject(new ServiceError({ code: 'PeerUnreachable', message: o.url }))
        }
        return Promise.resolve({ status: 200, headers: {}, body: provider.published as T })
      },
      close: () => {},
    },
    token: (claims, header) => {
      const seconds = Math.floor(now().getTime() / 1000)
      const standard = { iss: providerUrl, iat: seconds, nbf: seconds, exp: seconds + 28_800 }
      return signedToken(
        { ...standard, ...claims },
        { alg: 'RS256', typ: 'JWT', kid: 'provider-1', ...header },
        signingKey,
      )
    },
  }
  return provider
}

export function signedToken(claims: unknown, header: unknown, key: KeyObject): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}
