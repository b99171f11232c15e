import { readdirSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { principals as platformPrincipals } from '@strongroom/contract'
import { openServiceStore, systemClock } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { openTokenKey } from './tokens/keys.ts'
import { Principals } from './directory/principals.ts'
import { migrations } from './directory/store.ts'
import { testContext, testService } from './testing.ts'

/** All bytes under a directory, as text. */
function contents(directory: string): string {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
}

function viaSocket(
  path: string,
  body: string,
  url = '/token',
): Promise<{ status: number; body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: path, path: url, method: 'POST' }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

describe('createIdentityService', () => {
  it('shows the owner secret at the first start only and keeps nothing of it in clear', async () => {
    const context = await testContext()
    const first = await testService(context)
    const secret = first.firstStart!.ownerSecret
    expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/)
    await first.close()
    expect(contents(context.stateDir)).not.toContain(secret)
    const second = await testService(context)
    expect(second.firstStart).toBeUndefined()
    expect(second.ownerObjectId).toBe(first.ownerObjectId)
  })

  it('accepts after a restart the tokens that it issued before', async () => {
    const context = await testContext()
    const first = await testService(context)
    const token = await first.ownerToken('https://vault.azure.net')
    await first.close()
    const second = await testService(context)
    expect(second.jwks).toEqual(first.jwks)
    expect(await second.verifier.verify(token, ['https://vault.azure.net'])).toMatchObject({
      objectId: first.ownerObjectId,
    })
  })

  it('keeps its signing key sealed: the state under another master key does not open', async () => {
    const context = await testContext()
    await (await testService(context)).close()
    expect(contents(context.stateDir)).not.toContain('PRIVATE')
    const other = (await testContext()).sealer
    await expect(testService({ ...context, sealer: other })).rejects.toMatchObject({
      code: 'StoreAltered',
      found: expect.stringContaining('another master key') as string,
    })
    const store = await openServiceStore(context, 'identity')
    await expect(openTokenKey(store, other.derive('identity'))).rejects.toThrow('cannot be decrypted')
    await store.close()
  })

  it('signs the platform principals in by a secret that is never written', async () => {
    const context = await testContext()
    const service = await testService(context)
    const secret = 'in-memory-secret-0123456789'
    const principal = await service.setPrincipal({ ...platformPrincipals.orchestrator, secret })
    const again = await service.setPrincipal({ ...platformPrincipals.orchestrator, secret })
    expect(again.objectId).toBe(principal.objectId)
    const answer = await service.hosts[0]!.app.inject({
      method: 'POST',
      url: `/${context.installation.tenantId}/oauth2/v2.0/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: principal.appId,
        client_secret: secret,
        scope: 'https://vault.azure.net/.default',
      }).toString(),
    })
    expect(decodeJwt(answer.json<{ access_token: string }>().access_token)).toMatchObject({ oid: principal.objectId })
    await service.close()
    expect(contents(context.stateDir)).not.toContain(secret)
  })

  it('gives a resource an identity once, and tokens only while it has it', async () => {
    const service = await testService(await testContext())
    const resourceId = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1'
    const ask = (): Promise<{ accessToken: string; clientId: string }> =>
      service.managedIdentityToken({ resourceId: resourceId.toUpperCase(), audience: 'https://vault.azure.net' })
    await expect(ask()).rejects.toMatchObject({ code: 'ManagedIdentityNotFound' })
    const made = await service.ensureManagedIdentity({ resourceId, displayName: 'vm1' })
    expect(await service.ensureManagedIdentity({ resourceId, displayName: 'vm1' })).toEqual(made)
    const token = await ask()
    expect(decodeJwt(token.accessToken)).toMatchObject({ oid: made.objectId, xms_mirid: resourceId.toLowerCase() })
    await service.removeManagedIdentity(resourceId)
    await expect(ask()).rejects.toMatchObject({ code: 'ManagedIdentityNotFound' })
  })
})

describe('the owner socket', () => {
  it('gives tokens to anyone who may open it, and lets nobody else in', async () => {
    const context = await testContext()
    const service = await testService(context)
    await service.start()
    const path = join(context.stateDir, 'run/owner.sock')
    expect(statSync(join(context.stateDir, 'run')).mode & 0o777).toBe(0o700)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const answer = await viaSocket(path, '{"audience":"https://management.azure.com/"}')
    expect(answer).toMatchObject({ status: 200, body: { expires_in: 3600 } })
    const token = answer.body.access_token as string
    expect(await service.verifier.verify(token, ['https://management.azure.com'])).toMatchObject({
      objectId: service.ownerObjectId,
    })
  })

  it.each(['', '{', 'null', '[]', '{"audience":1}', '{"audience":""}', `{"audience":"${'x'.repeat(10_000)}"}`])(
    'refuses the body %j',
    async (body) => {
      const context = await testContext()
      const service = await testService(context)
      await service.start()
      const answer = await viaSocket(join(context.stateDir, 'run/owner.sock'), body)
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 'InvalidRequestContent' } } })
    },
  )

  it('refuses a second server on the same state, but not what a killed one left behind', async () => {
    const context = await testContext()
    const first = await testService(context)
    await first.start()
    const second = await testService(context)
    await expect(second.start()).rejects.toMatchObject({ code: 'AlreadyRunning' })
    expect(await viaSocket(join(context.stateDir, 'run/owner.sock'), '{"audience":"a"}')).toMatchObject({ status: 200 })
  })
})

describeStores('Principals', (open) => {
  it('authenticates by a stored secret, voids replaced ones, and tells unknown from wrong', async () => {
    const store = await open()
    await store.migrate('identity', migrations)
    const principals = new Principals({ store, clock: systemClock, newId: () => crypto.randomUUID() })
    const appId = crypto.randomUUID()
    await principals.set({ appId: appId.toUpperCase(), displayName: 'one' })
    const old = await principals.addSecret(appId)
    expect(await principals.authenticate(appId, old)).toMatchObject({ appId, displayName: 'one' })
    const fresh = await principals.addSecret(appId, { replace: true })
    expect(await principals.authenticate(appId, old)).toBe('WrongSecret')
    expect(await principals.authenticate(appId.toUpperCase(), fresh)).toMatchObject({ appId })
    expect(await principals.authenticate(crypto.randomUUID(), fresh)).toBe('UnknownApplication')
    expect(await principals.authenticate(appId, '')).toBe('WrongSecret')
  })

  it('makes one identity of a resource when two processes ask at once', async () => {
    const store = await open()
    await store.migrate('identity', migrations)
    const second = await open({ sameAs: store })
    const [a, b] = await Promise.all(
      [store, second].map((one) =>
        new Principals({ store: one, clock: systemClock, newId: () => crypto.randomUUID() }).ensureManagedIdentity(
          '/r',
          'r',
        ),
      ),
    )
    expect(a).toEqual(b)
  })
})
