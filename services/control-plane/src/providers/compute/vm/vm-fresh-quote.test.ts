import { describeStores } from '@strongroom/platform/testing'
import { expect, it, onTestFinished } from 'vitest'
import { makeNetwork, openTestPlane, vmPath, vmRequest } from '../../../testing/test-plane.ts'

describeStores('the resource manager', (open) => {
  it('carries a verifier’s challenge to the guest that runs, and to no other', async () => {
    const plane = await openTestPlane(await open())
    onTestFinished(async () => await plane.service.close())
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    const challenge = { nonce: Buffer.alloc(32, 7).toString('base64url') }
    const ask = async (body: unknown): Promise<{ status: number; body: unknown }> =>
      await plane.send('POST', `${vmPath('vm1')}/retrieveFreshQuote`, body)
    const quote = { quoteMessage: 'AAAA', quoteSignature: 'AAAA', pcrs: {}, userspaceLog: 'AAAA' }
    plane.wire.freshQuote = quote
    const { body, status } = await ask(challenge)
    expect([status, body]).toEqual([200, { ...quote, latestLaunch: expect.stringMatching(/^latest of vm-/) as string }])
    expect(plane.wire.calls.find(({ path }) => path.includes('/latest-launch'))?.body).toEqual(challenge)
    for (const wrong of [{}, { nonce: 'AAAA' }, { ...challenge, more: 1 }])
      expect(await ask(wrong), JSON.stringify(wrong)).toMatchObject({
        status: 400,
        body: { error: { code: 'InvalidRequestContent' } },
      })
    await plane.run('POST', `${vmPath('vm1')}/powerOff`)
    expect(await ask(challenge)).toMatchObject({ status: 409, body: { error: { code: 'VmNotReady' } } })
  })
})
