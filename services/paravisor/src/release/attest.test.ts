import { ServiceError, type AttestationVerifier, type WireClient, type WireRequest } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { attest } from './attest.ts'
import type { HardwareReport } from './silicon.ts'

const issuer = 'https://attest.example.org'
const witness: AttestationVerifier = {
  name: 'witness',
  issuer,
  keys: 'https://keys.example.org/jwks.json',
  collateral: true,
}
const tokenOf = (iss: string): string => ['{}', JSON.stringify({ iss }), ''].map((part) => btoa(part)).join('.')

const report: HardwareReport = {
  bytes: new Uint8Array(),
  evidence: () => Promise.reject(new Error('not asked for here')),
  request: ({ withCollateral }) =>
    Promise.resolve({
      path: '/attest/TdxVm' as const,
      body: { quote: 'q', ...(withCollateral && { collateral: {} }) },
    }),
}

function open(answer: (o: WireRequest) => unknown): { asked: WireRequest[]; wire: WireClient } {
  const asked: WireRequest[] = []
  const wire: WireClient = {
    request: (o) => {
      asked.push(o)
      const body = answer(o)
      return body instanceof Error
        ? Promise.reject(body)
        : Promise.resolve({ status: 200, headers: {}, body: body as never })
    },
    close: () => {},
  }
  return { asked, wire }
}

const tokens = { token: (principal: string, audience: string) => Promise.resolve(`${principal} ${audience}`) }

const asks = (wire: WireClient, provider = issuer, verifiers = [witness]): Promise<unknown> =>
  attest({ wire, tokens, provider, verifiers, report, claims: new Uint8Array() })

describe('a boot that a provider of the installation attests', () => {
  it('shows it that the platform asks, so that it is not counted among the guests (attack W4)', async () => {
    const own = 'https://sharedweu.weu.attest.strongroom.internal'
    const { wire, asked } = open(({ method }) => (method === 'POST' ? { token: tokenOf(own) } : { keys: [] }))
    await asks(wire, own)
    expect(asked.map(({ method, token }) => [method, token])).toEqual([
      ['POST', 'orchestrator https://attest.azure.net'],
      ['GET', undefined],
    ])
  })
})

describe('a boot that a provider of another origin attests', () => {
  it('sends evidence with its collateral to the issuer, and keeps the keys of the operator’s address', async () => {
    const { wire, asked } = open(({ method }) => (method === 'POST' ? { token: tokenOf(issuer) } : { keys: [] }))
    expect(await asks(wire)).toEqual({ issuer, token: tokenOf(issuer), jwks: { keys: [] } })
    expect(asked.map(({ method, url, token }) => [method, url, token])).toEqual([
      ['POST', `${issuer}/attest/TdxVm?api-version=2022-08-01`, undefined],
      ['GET', witness.keys, undefined],
    ])
    expect(asked[0]!.body).toMatchObject({ quote: 'q', collateral: {} })
  })

  it('asks nobody where the operator names it no more', async () => {
    const { wire, asked } = open(() => ({}))
    await expect(asks(wire, 'https://attest.example.com')).rejects.toMatchObject({
      code: 'AttestationProviderNotAllowed',
      found: 'https://attest.example.com',
    })
    expect(asked).toEqual([])
  })

  it('takes no token in another name, or in none', async () => {
    for (const token of [tokenOf('https://sharedweu.weu.attest.strongroom.internal'), 'x', 7, undefined]) {
      const { wire } = open(({ method }) => (method === 'POST' ? { token } : { keys: [] }))
      await expect(asks(wire)).rejects.toMatchObject({ code: 'AttestationTokenForeign', expected: issuer })
    }
  })

  it('does not start while it is down: no other speaks in its place', async () => {
    const { wire, asked } = open(() => new ServiceError({ code: 'PeerUnreachable', message: 'refused' }))
    await expect(asks(wire)).rejects.toMatchObject({
      code: 'AttestationProviderUnreachable',
      target: issuer,
      found: 'PeerUnreachable',
    })
    expect(asked.every(({ url }) => url.startsWith(issuer))).toBe(true)
  })

  it('is refused in its words where its policy denies', async () => {
    const denial = { code: 'PolicyEvaluationError' as const, message: 'no rule permits', expected: 'a', found: 'b' }
    const { wire } = open(() => new ServiceError(denial))
    await expect(asks(wire)).rejects.toMatchObject({
      code: 'AttestationRefused',
      target: issuer,
      expected: 'a',
      found: 'b',
      details: [{ code: 'PolicyEvaluationError' }],
    })
  })
})
