import { azureSharedHosts } from '@strongroom/contract'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  chainPem,
  firmwareIsThere,
  host,
  issuer,
  openService,
  ownerObjectId,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from '../testing/harness.ts'

const azureHost = 'sharedweu.weu.attest.azure.net'
const azureIssuer = `https://${azureHost}`
const policies = '/policies/SevSnpVm?api-version=2022-08-01'

describe("a shared provider under Azure's name", () => {
  let test: TestService
  let open = true
  const served = (name: string): boolean => test.service.hosts.some((each) => each.matches(name))

  beforeAll(async () => {
    test = await openService({ anchors: (await silicon()).anchors, answersAzureNames: () => open })
  })
  afterAll(() => test?.close())

  it('is that of each region, and no tenant’s provider', () => {
    for (const [azure] of azureSharedHosts) expect(served(azure)).toBe(true)
    for (const name of [`alpha.weu.attest.azure.net`, `${azureHost}.evil.example`, 'sharedxyz.xyz.attest.azure.net'])
      expect(served(name)).toBe(false)
  })

  it("is answered only while Azure's names are", () => {
    open = false
    try {
      expect([served(azureHost), served(host)]).toEqual([false, true])
    } finally {
      open = true
    }
  })

  it('publishes that issuer, with the keys of the provider’s own name', async () => {
    const discovery = await test.call('GET', '/.well-known/openid-configuration', { host: azureHost })
    expect(discovery.body).toMatchObject({
      issuer: azureIssuer,
      jwks_uri: `${azureIssuer}/certs`,
      revocation_endpoint: `${azureIssuer}/revoke`,
    })
    const [under, own] = [await test.call('GET', '/certs', { host: azureHost }), await test.call('GET', '/certs')]
    expect(under.body).toEqual(own.body)
    expect((await test.call('GET', '/.well-known/openid-configuration')).body.issuer).toBe(issuer)
  })

  it('signs what the owner reads of its policies under that issuer', async () => {
    const answer = await test.call('GET', policies, { host: azureHost, token: ownerObjectId })
    const keys = createLocalJWKSet((await test.call('GET', '/certs', { host: azureHost })).body)
    await jwtVerify(answer.body.token, keys, { issuer: azureIssuer })
  })

  it.skipIf(!firmwareIsThere)('signs tokens under the name that was asked', async () => {
    const body = snpBody(await snpReport(), {
      pem: await chainPem(),
      crl: (await (await silicon()).amd.endorsements()).crl,
    })
    for (const [asked, expected] of [
      [azureHost, azureIssuer],
      [host, issuer],
    ] as const) {
      const answer = await test.post('/attest/SevSnpVm?api-version=2022-08-01', body, { host: asked })
      const keys = createLocalJWKSet((await test.call('GET', '/certs', { host: asked })).body)
      await jwtVerify(answer.body.token, keys, { issuer: expected })
      expect(decodeProtectedHeader(answer.body.token)['jku']).toBe(`${expected}/certs`)
    }
  })
})
