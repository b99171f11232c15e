import { decodeJwt } from 'jose'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it, onTestFinished } from 'vitest'
import { createTestVault, keyRequest, reportDataOf, transferJwk, vmId, type Answer } from '../testing/test-vault.ts'

const nonce = Buffer.alloc(32, 7).toString('base64url')
const akJwk = { ...transferJwk, kid: 'HCLAkPub', key_ops: ['sign'] }
const runtimeOf = (...keys: object[]): object => ({ 'vm-configuration': { vmUniqueId: vmId }, keys })
const [one, other] = [reportDataOf('one launch'), reportDataOf('another launch')]

describeStores('launches of one VM', (open) => {
  const setUp = async () => {
    const vault = await createTestVault(await open())
    onTestFinished(() => vault.close())
    const made = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const kid = made.body.key.kid as string
    const { pathname } = new URL(kid)
    const counts = async (data: unknown, generation: number, more: object = {}): Promise<Answer> => {
      const boot = { ...vault.claims, 'x-ms-runtime': runtimeOf(transferJwk, akJwk), 'x-ms-sevsnpvm-reportdata': data }
      const target = vault.provider.token({ ...boot, ...more })
      return await vault.call('orchestrator', 'POST', `${pathname}/guest-state-generation`, { target, generation })
    }
    const ask = async (as: 'controlPlane' | 'orchestrator' | 'owner' = 'controlPlane', body: unknown = { nonce }) =>
      await vault.call(as, 'POST', `${pathname}/latest-launch`, body)
    const latest = async (): Promise<unknown> => decodeJwt((await ask()).body.value)['latestLaunch']
    return { vault, kid, counts, ask, latest }
  }
  const taken = (generation: number): object => ({
    status: 409,
    body: {
      error: {
        code: 'GuestStateGenerationTaken',
        innererror: { expected: `${generation + 1} or higher, or the launch that counted ${generation}` },
      },
    },
  })

  it('count a generation once: a second one that opened a copy ends there (attack W54)', async () => {
    const { counts, latest } = await setUp()
    expect((await counts(one, 1)).status).toBe(200)
    expect(await counts(other, 1)).toMatchObject(taken(1))
    expect(await latest()).toMatchObject({ launch: one.slice(0, 64), generation: 1 })
    // The answer to the first one was lost.
    expect((await counts(one, 1)).status).toBe(200)
    expect((await counts(other, 2)).status).toBe(200)
    expect(await counts(one, 2)).toMatchObject(taken(2))
  })

  it('are one at a generation where both come at once (attack W54)', async () => {
    const { counts } = await setUp()
    const data = Array.from({ length: 6 }, (_, index) => reportDataOf(`launch ${index}`))
    const answers = await Promise.all(data.map(async (each) => await counts(each, 1)))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409, 409, 409])
  })

  it('differ by the claims that their reports bind, and by nothing that a new token changes', async () => {
    const { counts } = await setUp()
    expect((await counts(one, 1)).status).toBe(200)
    expect((await counts(one, 1, { 'x-ms-ver': '2.0' })).status).toBe(200)
  })

  it.each([undefined, '', 7, one.slice(0, 64), one.toUpperCase(), one.replace(/0$/, '1')])(
    'count nothing twice without report data that bind claims: %j (attack W54)',
    async (data) => {
      const { counts, latest } = await setUp()
      expect((await counts(data, 1)).status).toBe(200)
      expect(await counts(data, 1)).toMatchObject(taken(1))
      expect(await latest()).toMatchObject({ launch: null, generation: 1 })
    },
  )

  it('leave a conversion free to be repeated, which starts no guest, until one boots (attack W54)', async () => {
    const { counts, latest } = await setUp()
    const conversion = { 'x-ms-runtime': runtimeOf(transferJwk) }
    expect((await counts(one, 4, conversion)).status).toBe(200)
    expect((await counts(other, 4, conversion)).status).toBe(200)
    expect(await latest()).toMatchObject({ launch: null, generation: 4 })
    expect(await counts(one, 4)).toMatchObject(taken(4))
    expect((await counts(one, 5)).status).toBe(200)
    expect(await counts(other, 5, conversion)).toMatchObject(taken(5))
  })

  it('of the other technology have their report data in its claim', async () => {
    const { vault } = await setUp()
    const request = keyRequest({ kty: 'EC-HSM' }, 'tdxvm')
    const made = await vault.call('controlPlane', 'POST', '/keys/vm-1-tdx/create', request)
    const path = new URL(made.body.key.kid as string).pathname
    const runtime = runtimeOf(transferJwk, akJwk)
    const claims = { 'x-ms-compliance-status': 'azure-compliant-cvm', 'x-ms-runtime': runtime }
    const target = vault.provider.token({ ...claims, 'x-ms-attestation-type': 'tdxvm', tdx_report_data: other })
    const counted = await vault.call('orchestrator', 'POST', `${path}/guest-state-generation`, {
      target,
      generation: 1,
    })
    expect(counted.status).toBe(200)
    const { body } = await vault.call('controlPlane', 'POST', `${path}/latest-launch`, { nonce })
    expect(decodeJwt(body.value)['latestLaunch']).toMatchObject({ launch: other.slice(0, 64) })
  })

  it('are stated with key, counter and the verifier’s nonce, to the resource manager alone', async () => {
    const { kid, counts, ask, latest } = await setUp()
    expect(await latest()).toEqual({ kid, nonce, generation: 0, launch: null })
    await counts(other, 5)
    expect(await latest()).toEqual({ kid, nonce, generation: 5, launch: other.slice(0, 64) })
    for (const as of ['orchestrator', 'owner'] as const) expect((await ask(as)).status).toBe(403)
    for (const body of [{}, { nonce: 'short' }, { nonce, more: 1 }, null])
      expect((await ask('controlPlane', body)).status).toBe(400)
  })
})
