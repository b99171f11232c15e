import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attestationAudience, principals, sharedAttestationHost } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestInstallation, type TestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { startGuestProxy } from '../../services/host/src/network/doors/guest-proxy.ts'
import { bareClient, byPort, byProxy, type Client, type ClientAnswer } from './support/bare-client.ts'

/** Lower than the service's own limits, within a time that the test meets on any machine. */
const callerLimit = { requests: 100, seconds: 600 }
const attestUrl = `https://${sharedAttestationHost('weu')}/attest/SevSnpVm?api-version=2022-08-01`

describe('a guest that asks for attestation as fast as it can', () => {
  let installation: TestInstallation
  let folder: string
  const closing: (() => unknown)[] = []
  const guestOf = async (n: number): Promise<Client> => {
    const socket = join(folder, `proxy-${n}`)
    const tlsPort = installation.running.context.installation.ports.tls
    const vmId = `00000000-0000-4000-8000-00000000000${n}`
    const proxy = await startGuestProxy({ socket, tlsPort, vmId, reported: () => true })
    const client = bareClient({ dial: byProxy(socket), caPem: installation.caPem, connections: 16 })
    closing.unshift(
      () => client.close(),
      () => proxy.close(),
    )
    return client
  }
  const throttled = (answers: ClientAnswer[]): ClientAnswer[] => answers.filter(({ status }) => status === 429)
  /** Twice as many concurrent calls as a caller may make; returns the refused ones. */
  const flood = async (client: Client): Promise<ClientAnswer[]> => {
    const calls = Array.from({ length: 2 * callerLimit.requests }, () => client.post(attestUrl, {}))
    const refused = throttled(await Promise.all(calls))
    expect(refused.length).toBeGreaterThanOrEqual(callerLimit.requests)
    return refused
  }
  beforeAll(async () => {
    installation = await startTestInstallation({ callerLimit })
    folder = await mkdtemp(join(tmpdir(), 'strongroom-guests-'))
  })
  afterAll(async () => {
    for (const close of closing) await close()
    await installation.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('is throttled by itself: neither another guest nor the platform is (attack W4)', async () => {
    const [loud, quiet] = [await guestOf(1), await guestOf(2)]
    // A guest's report about itself, its address or its token does not change its identity.
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const forged = {
      'x-forwarded-for': '127.0.0.1',
      forwarded: 'for=127.0.0.1',
      authorization: `Bearer ${part({ alg: 'none' })}.${part({ oid: principals.orchestrator.appId })}.`,
    }
    for (const { retryAfter } of await flood(loud)) expect(Number(retryAfter)).toBeGreaterThanOrEqual(1)
    expect(await loud.post(attestUrl, {}, forged)).toMatchObject({ status: 429, code: 'TooManyRequests' })

    expect(await quiet.post(attestUrl, {})).toMatchObject({ status: 400, code: 'InvalidParameter' })
    const asHost = await installation.running.context.tokens.token('orchestrator', attestationAudience)
    for (const token of [undefined, asHost]) {
      const call = installation.wire.request({ method: 'POST', url: attestUrl, body: {}, ...(token && { token }) })
      await expect(call).rejects.toMatchObject({ status: 400, code: 'InvalidParameter' })
    }
  })

  it('leaves the platform its own count also where it comes from the same address (attack W4)', async () => {
    const { tokens } = installation.running.context
    const host = { authorization: `Bearer ${await tokens.token('orchestrator', attestationAudience)}` }
    const other = { authorization: `Bearer ${await tokens.token('controlPlane', attestationAudience)}` }
    const { caPem } = installation
    const dial = byPort(installation.running.context.installation.ports.tls)
    const client = bareClient({ dial, caPem, connections: 16 })
    closing.unshift(() => client.close())
    await flood(client)
    expect((await client.post(attestUrl, {}, host)).status).toBe(400)
    // Anybody else's token has no effect here.
    expect((await client.post(attestUrl, {}, other)).status).toBe(429)
  })
})
