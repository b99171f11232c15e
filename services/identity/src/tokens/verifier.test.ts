import { ServiceError } from '@strongroom/platform'
import { SignJWT, UnsecuredJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { createTokenVerifier } from './verifier.ts'

const now = new Date('2026-11-25T12:00:00Z')
const seconds = now.getTime() / 1000
const issuer = 'https://login.strongroom.internal/t1/v2.0'
const audience = 'https://vault.azure.net'
const algorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
}
let keys: CryptoKeyPair
let others: CryptoKeyPair

beforeAll(async () => {
  keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair
  others = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair
})

const good = {
  oid: 'o',
  appid: 'a',
  tid: 't1',
  iss: issuer,
  aud: audience,
  iat: seconds,
  nbf: seconds,
  exp: seconds + 3600,
}

function sign(change: Record<string, unknown> = {}, o: { key?: CryptoKey; kid?: string } = {}): Promise<string> {
  return new SignJWT({ ...good, ...change })
    .setProtectedHeader({ alg: 'RS256', kid: o.kid ?? 'k1' })
    .sign(o.key ?? keys.privateKey)
}

function verify(token: string, audiences: string[] = [audience]): Promise<unknown> {
  const keyOf = (kid: string | undefined): CryptoKey | undefined => (kid === 'k1' ? keys.publicKey : undefined)
  return createTokenVerifier({ issuer, tenantId: 't1', keyOf, clock: { now: () => now } }).verify(token, audiences)
}

describe('createTokenVerifier', () => {
  it('names the caller of a good token', async () => {
    expect(await verify(await sign())).toMatchObject({ objectId: 'o', appId: 'a', tenantId: 't1' })
    expect(await verify(await sign({ aud: `${audience}/` }))).toMatchObject({ objectId: 'o' })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['has expired', { exp: seconds - 61 }, 'ExpiredAuthenticationToken'],
    ['is not valid yet', { nbf: seconds + 61 }, 'InvalidAuthenticationToken'],
    ['never expires', { exp: undefined }, 'InvalidAuthenticationToken'],
    ['is of another issuer', { iss: `${issuer}/` }, 'InvalidAuthenticationToken'],
    ['is of another tenant', { tid: 't2' }, 'InvalidAuthenticationTokenTenant'],
    ['is for another audience', { aud: 'https://management.azure.com' }, 'InvalidAuthenticationTokenAudience'],
    ['is for a longer audience', { aud: `${audience}.evil.example` }, 'InvalidAuthenticationTokenAudience'],
    ['has no audience', { aud: undefined }, 'InvalidAuthenticationToken'],
    ['names no principal', { oid: undefined }, 'InvalidAuthenticationToken'],
  ])('refuses a token that %s', async (_name, change, code) => {
    await expect(verify(await sign(change))).rejects.toMatchObject({ status: 401, code })
  })

  it('refuses a token by another key, under an unknown or under the known key id', async () => {
    await expect(verify(await sign({}, { key: others.privateKey }))).rejects.toMatchObject({
      code: 'InvalidAuthenticationToken',
    })
    await expect(verify(await sign({}, { kid: 'k2' }))).rejects.toMatchObject({ code: 'InvalidAuthenticationToken' })
  })

  it('refuses tokens without a signature, and HMACs made with the public key', async () => {
    await expect(verify(new UnsecuredJWT(good).encode())).rejects.toThrow(ServiceError)
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', keys.publicKey))
    const forged = await new SignJWT(good).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(spki)
    await expect(verify(forged)).rejects.toMatchObject({ code: 'InvalidAuthenticationToken' })
  })

  it('refuses a token with any altered character', async () => {
    const token = await sign()
    for (const at of [3, token.indexOf('.') + 5, token.lastIndexOf('.') + 5]) {
      const altered = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
      await expect(verify(altered), `${at}`).rejects.toThrow(ServiceError)
    }
  })

  it.each(['', 'x', 'a.b.c', '....', `${'a'.repeat(20_000)}.b.c`])('refuses what is not a token (%#)', async (text) => {
    await expect(verify(text)).rejects.toMatchObject({ status: 401 })
  })

  it('remembers a good token for its time only, and never for another audience', async () => {
    let at = now
    const keyOf = (): CryptoKey => keys.publicKey
    const verifier = createTokenVerifier({ issuer, tenantId: 't1', keyOf, clock: { now: () => at } })
    const token = await sign({ exp: seconds + 600 })
    await verifier.verify(token, [audience])
    await expect(verifier.verify(token, ['https://other.example'])).rejects.toMatchObject({ status: 401 })
    at = new Date(now.getTime() + 599_000)
    expect(await verifier.verify(token, [audience])).toMatchObject({ objectId: 'o' })
    at = new Date(now.getTime() + 661_000)
    await expect(verifier.verify(token, [audience])).rejects.toMatchObject({ code: 'ExpiredAuthenticationToken' })
  })

  it('accepts no token where no audience is wanted', async () => {
    await expect(verify(await sign(), [])).rejects.toMatchObject({ code: 'InvalidAuthenticationTokenAudience' })
  })
})
