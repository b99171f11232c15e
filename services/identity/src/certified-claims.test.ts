import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { certifiedClaims } from './certified-claims.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const now = new Date('2026-03-01T00:00:00Z')
const seconds = now.getTime() / 1000
const expected = { audience: ['https://login.example/token'], issuer: 'app', now }
const claims = { iss: 'app', sub: 'app', aud: 'https://login.example/token', exp: seconds + 600 }

/** Signed by hand, whatever its header requests. */
function crafted(header: object, change: object = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'RS256', ...header })}.${part({ ...claims, ...change })}`
  return `${text}.${sign('sha256', Buffer.from(text), pair.privateKey).toString('base64url')}`
}
const read = async (assertion: string): Promise<unknown> =>
  await certifiedClaims(assertion, pair.publicKey, expected).catch((error: unknown) => (error as Error).message)

describe('what an application signs for itself', () => {
  it('takes no assertion whose payload is to be read in another way, or that names nobody it is for (attack Q4)', async () => {
    expect(await read(crafted({}))).toEqual({ subject: 'app', expires: seconds + 600 })
    for (const header of [
      { crit: ['b64'], b64: false },
      { crit: ['b64'], b64: true },
      { b64: true },
      { crit: ['exp'] },
      { alg: 'none' },
    ])
      expect(await read(crafted(header)), JSON.stringify(header)).toBe('its signature does not verify')
    for (const [change, wrong] of [
      [{ iss: 'other' }, 'iss'],
      [{ aud: undefined }, 'aud'],
      [{ aud: [] }, 'aud'],
      [{ aud: ['https://login.example/'] }, 'aud'],
      [{ sub: undefined }, 'sub'],
      [{ sub: 7 }, 'sub'],
      [{ exp: undefined }, 'exp'],
      [{ nbf: 'now' }, 'nbf'],
      [{ nbf: null }, 'nbf'],
    ] as const)
      expect(await read(crafted({}, change)), JSON.stringify(change)).toBe(`its claim '${wrong}' has the wrong value`)
    const [head, , signature] = crafted({}).split('.')
    const other = Buffer.from(JSON.stringify({ ...claims, sub: 'x' })).toString('base64url')
    expect(await read(`${head}.${other}.${signature}`)).toBe('its signature does not verify')
  })
})
