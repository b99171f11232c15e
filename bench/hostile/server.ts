/** A whole installation without guests in a separate process. Tells bench/hostile.ts over IPC which calls its callers make. */
import { generateKeyPairSync } from 'node:crypto'
import {
  defaultCvmReleasePolicy,
  loginHost,
  managementAudience,
  managementHost,
  sharedAttestationHost,
  vaultAudience,
} from '@strongroom/contract'
import { createSilicon } from '@strongroom/silicon'
import { startTestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { openSiliconKeys } from '../../services/host/src/silicon-keys.ts'
import { Tenant } from '../../test/insider/support/tenant-keys.ts'
import { reportsOf } from '../support/reports.ts'
import type { Call } from './calls.ts'

export interface HostileReady {
  caPem: string
  port: number
  tenantId: string
  ownerAppId: string
  /** Calls of well-meaning callers. */
  calls: Call[]
  /** What one guest requests without a pause. */
  attest: Call
}

const distinctReports = 100
const installation = await startTestInstallation()
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

process.on('message', () => {
  void installation.close().then(() => process.disconnect())
})
const { tls: port } = context.installation.ports
process.send?.({ caPem: installation.caPem, port, tenantId, ownerAppId, calls, attest } satisfies HostileReady)
