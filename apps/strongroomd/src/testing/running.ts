import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tls from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { loginHost, managementAudience, managementHost, type ArmOperation } from '@strongroom/contract'
import { createWireClient, freePort, type WireClient } from '@strongroom/platform'
import { layProcessors } from '@strongroom/host/testing'
import { compose, type ComposeOptions, type RunningInstallation } from '../compose.ts'

/** A credential for Azure's clients. */
export interface Credential {
  getToken(scopes: string | string[]): Promise<{ token: string; expiresOnTimestamp: number }>
}

/** A whole installation without guests, in this process, with sign-ins of its owner and others. */
export interface TestInstallation {
  running: RunningInstallation
  wire: WireClient
  caPem: string
  subscription: string
  tenantId: string
  owner: Credential
  /** What Azure's clients need to find our names. */
  clientOptions: { proxyOptions: { host: string; port: number } }
  /** As the owner, on the resource manager's wire. @throws ServiceError if it is refused */
  arm<T>(method: string, path: string, body?: unknown): Promise<T>
  /** Sends, then waits until the operation has succeeded. */
  run(method: string, path: string, body?: unknown): Promise<void>
  credentialOf(appId: string, secret: string): Credential
  close(): Promise<void>
}

export async function startTestInstallation(
  o: Pick<
    ComposeOptions,
    'testApi' | 'callerLimit' | 'fleetAddress' | 'fleetStorageFile' | 'compute' | 'storeUrlFile' | 'fleetLeaseSeconds'
  > = {},
): Promise<TestInstallation> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-installation-'))
  const [tlsPort, localPort] = [await freePort(), await freePort()]
  process.env['STRONGROOM_MASTER_KEY_FILE'] = join(folder, 'master-key')
  await writeFile(join(folder, 'master-key'), randomBytes(32), { mode: 0o600 })
  await layProcessors({
    stateDir: join(folder, 'state'),
    compute: o.compute === 'guests' ? 'guests' : 'simulated',
    stores: o.storeUrlFile === undefined ? 'sqlite' : 'postgres',
  })
  const running = await compose({
    stateDir: join(folder, 'state'),
    cacheDir: join(folder, 'cache'),
    ports: { tls: String(tlsPort), local: String(localPort) },
    compute: 'simulated',
    ...o,
  })
  const caPem = await readFile(join(folder, 'state/ca.pem'), 'utf8')
  // With a proxy, Azure's clients use the process's authorities, whatever their options.
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), caPem])
  const wire = createWireClient({ port: tlsPort, caPem })
  const { ownerAppId, ownerSecret, tenantId } = running.firstStart!
  const { subscriptionId } = running.context.installation
  const credentialOf = (appId: string, secret: string): Credential => ({
    getToken: async (scopes) => {
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: appId,
        client_secret: secret,
        scope: [scopes].flat().join(' '),
      })
      const { body } = await wire.request<{ access_token: string; expires_in: number }>({
        method: 'POST',
        url: `https://${loginHost}/${tenantId}/oauth2/v2.0/token`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      })
      return { token: body.access_token, expiresOnTimestamp: Date.now() + body.expires_in * 1000 }
    },
  })
  const owner = credentialOf(ownerAppId, ownerSecret)
  return {
    running,
    wire,
    caPem,
    tenantId,
    subscription: `/subscriptions/${subscriptionId}`,
    owner,
    credentialOf,
    clientOptions: { proxyOptions: { host: 'http://127.0.0.1', port: localPort } },
    run: async (method, path, body) => {
      const { token } = await owner.getToken(`${managementAudience}/.default`)
      const url = `https://${managementHost}${path}?api-version=2024-11-01`
      const reply = await wire.request({ method, url, token, ...(body !== undefined && { body }) })
      const operation = reply.headers['azure-asyncoperation']
      for (;;) {
        if (operation === undefined) return
        const { body: polled } = await wire.request<ArmOperation>({ method: 'GET', url: operation, token })
        if (polled.status === 'Succeeded') return
        if (polled.status !== 'InProgress') throw new Error(JSON.stringify(polled.error ?? polled.status))
        await sleep(50)
      }
    },
    arm: async <T>(method: string, path: string, body?: unknown) => {
      const { token } = await owner.getToken(`${managementAudience}/.default`)
      const url = `https://${managementHost}${path}?api-version=2024-11-01`
      // Evidence of a VM without a guest is created on first request: minutes on a busy machine.
      return (await wire.request<T>({ method, url, token, timeoutMs: 120_000, ...(body !== undefined && { body }) }))
        .body
    },
    close: async () => {
      delete process.env['STRONGROOM_MASTER_KEY_FILE']
      wire.close()
      await running.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Object id in the credential's token. */
export async function objectIdOf(credential: Credential): Promise<string> {
  const { token } = await credential.getToken(`${managementAudience}/.default`)
  const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString('utf8')) as { oid: string }
  return claims.oid
}
