/** A whole installation without guests in a separate process. Tells bench/hostile.ts over IPC which calls its callers make. */
import { generateKeyPairSync } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import {
  defaultCvmReleasePolicy,
  graphHost,
  loginHost,
  managementAudience,
  managementHost,
  sharedAttestationHost,
  vaultAudience,
} from '@strongroom/contract'
import { createSilicon } from '@strongroom/silicon'
import { connectForGuest, freePort } from '@strongroom/platform'
import { startTestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { hostPath } from '../../apps/strongroomd/src/testing/test-hosts.ts'
import { openSiliconKeys } from '../../services/host/src/silicon-keys.ts'
import { Tenant } from '../../test/insider/support/tenant-keys.ts'
import { reportsOf } from '../support/reports.ts'
import type { Call } from './calls.ts'
import { costlyCalls, policies, roleOfPatterns } from './evaluations.ts'

export interface HostileReady {
  caPem: string
  port: number
  /** Leads to `port` as from a guest. */
  guestPort: number
  tenantId: string
  ownerAppId: string
  /** Calls of well-meaning callers. */
  calls: Call[]
  /** What one guest requests without a pause. */
  attest: Call
  /** The worst requests that are still evaluated. */
  costly: Call[]
  /** A host to join, and where. */
  host: { address: string; code: string }
}

/** What the server's process spent since it was last asked. */
export interface Spent {
  /** Of the thread, in milliseconds. */
  thread: number
  /** The most of it in one turn of the event loop, in milliseconds: what other programs take is not in it. */
  held: number
  /** The largest heap, in MiB. */
  heap: number
}

const distinctReports = 100
const installation = await startTestInstallation({ fleetAddress: `127.0.0.1:${await freePort()}` })
const { running, wire } = installation
const { context } = running
const { ownerAppId, ownerSecret, tenantId } = running.firstStart!
const transferKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
const silicon = await createSilicon({ keys: await openSiliconKeys(context), clock: context.clock })
const bodies = await reportsOf(silicon, distinctReports, transferKey.n)
const provider = sharedAttestationHost('weu')
const attestPath = '/attest/SevSnpVm?api-version=2022-08-01'
const attest: Call = { name: 'attest', host: provider, method: 'POST', path: attestPath, bodies }

const place = await (await Tenant.of(running)).vault('hostile')
const vaultToken = (await installation.owner.getToken(`${vaultAudience}/.default`)).token
await wire.request({
  method: 'POST',
  url: `${place.url}/keys/k/create?api-version=7.4`,
  token: vaultToken,
  body: {
    kty: 'RSA-HSM',
    key_size: 2048,
    attributes: { exportable: true },
    release_policy: {
      data: Buffer.from(JSON.stringify(defaultCvmReleasePolicy(`https://${provider}`))).toString('base64url'),
    },
  },
})
const attested = await wire.request<{ token: string }>({
  method: 'POST',
  url: `https://${provider}${attestPath}`,
  body: JSON.parse(bodies[0]!) as object,
})
const { token: managementToken } = await installation.owner.getToken(`${managementAudience}/.default`)
const form = { grant_type: 'client_credentials', client_id: ownerAppId, client_secret: ownerSecret }
const scope = `${managementAudience}/.default`

const calls: Call[] = [
  attest,
  {
    name: 'sign-in',
    host: loginHost,
    method: 'POST',
    path: `/${tenantId}/oauth2/v2.0/token`,
    contentType: 'application/x-www-form-urlencoded',
    bodies: [new URLSearchParams({ ...form, scope }).toString()],
  },
  {
    name: 'key release',
    host: new URL(place.url).host,
    method: 'POST',
    path: '/keys/k/release?api-version=7.4',
    token: vaultToken,
    bodies: [JSON.stringify({ target: attested.body.token })],
  },
  {
    name: 'ARM get',
    host: managementHost,
    method: 'GET',
    path: `${installation.subscription}/resourceGroups/rg?api-version=2024-11-01`,
    token: managementToken,
  },
]

/** Rows to query. */
const rows = 300
const attestAt: Call[] = []
for (let n = 0; n < rows; n++) {
  const id = `${installation.subscription}/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/p${n}`
  await installation.arm('PUT', id, { location: 'westeurope', tags: { a: 'b' }, properties: {} })
}
for (const [index, [name, policy]] of Object.entries(policies).entries()) {
  const id = `${installation.subscription}/resourceGroups/rg/providers/Microsoft.Attestation/attestationProviders/worst${index}`
  const made = await installation.arm<{ properties: { attestUri: string } }>('PUT', id, {
    location: 'westeurope',
    properties: {},
  })
  const origin = made.properties.attestUri
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = Buffer.from(policy).toString('base64url')
  await wire.request({
    method: 'PUT',
    url: `${origin}/policies/SevSnpVm?api-version=2022-08-01`,
    token: (await installation.owner.getToken('https://attest.azure.net/.default')).token,
    headers: { 'content-type': 'text/plain' },
    body: `${encoded({ alg: 'none' })}.${encoded({ AttestationPolicy: text })}.`,
  })
  attestAt.push({ ...attest, name, host: new URL(origin).host })
}

const role = roleOfPatterns(installation.subscription)
await installation.arm('PUT', role.path, role.body)
const { oid } = JSON.parse(Buffer.from(managementToken.split('.')[1]!, 'base64url').toString()) as { oid: string }
await installation.arm(
  'PUT',
  `${installation.subscription}/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-00000000c058`,
  { properties: { principalId: oid, principalType: 'ServicePrincipal', roleDefinitionId: role.path } },
)

const added = await installation.arm<{ address: string; joinCode: string }>('PUT', hostPath(installation, 'host'), {
  location: 'westeurope',
  capacity: { vCPUs: 4, memoryMiB: 8192 },
})
const host = { address: added.address, code: added.joinCode }

let heap = 0
const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
let since = threadMs()
const sampled = setInterval(() => (heap = Math.max(heap, process.memoryUsage().heapUsed)), 1)

/** While requests are weighed one by one, and not under attack: it never lets the loop rest. */
let watched = false
let turn = 0
let before = since
function watchTurns(): void {
  if (!watched) return
  const now = threadMs()
  turn = Math.max(turn, now - before)
  before = now
  setImmediate(watchTurns)
}

process.on('message', (message: { ask: 'end' | 'spent' | 'rest' }) => {
  if (message.ask === 'spent') {
    const spent: Spent = { thread: threadMs() - since, held: turn, heap: heap / 1024 / 1024 }
    global.gc?.()
    heap = process.memoryUsage().heapUsed
    since = threadMs()
    ;[turn, before] = [0, since]
    if (!watched) setImmediate(watchTurns)
    watched = true
    process.send?.(spent)
    return
  }
  if (message.ask === 'rest') {
    watched = false
    process.send?.({ rests: true })
    return
  }
  clearInterval(sampled)
  void installation.close().then(() => process.disconnect())
})
const directoryToken = (await installation.owner.getToken(`https://${graphHost}/.default`)).token
const costly = [
  ...costlyCalls({ subscription: installation.subscription, token: managementToken, directoryToken }),
  ...attestAt,
]
const { tls: port } = context.installation.ports
const guest = createServer((attacker) => {
  const server = connectForGuest({ host: '127.0.0.1', port, localAddress: '127.64.7.7' })
  for (const socket of [attacker, server]) socket.on('error', () => socket.destroy())
  attacker.once('close', () => server.destroy()).pipe(server)
  server.once('close', () => attacker.destroy()).pipe(attacker)
}).unref()
await new Promise<void>((done) => guest.listen(0, '127.0.0.1', done))
process.send?.({
  caPem: installation.caPem,
  port,
  guestPort: (guest.address() as AddressInfo).port,
  tenantId,
  ownerAppId,
  calls,
  attest,
  costly,
  host,
} satisfies HostileReady)
