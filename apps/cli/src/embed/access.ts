import type { Agent } from 'node:https'
import type { ServerRecord } from '../core/connection.ts'
import {
  domain,
  homeRegion,
  loginHost,
  managementAudience,
  managementHost,
  sharedAttestationHost,
} from '@strongroom/contract'
import { clientEnvironment } from '../client/environment.ts'
import type { Cloud, OwnerCredential, Redirection } from './cloud.ts'

/** What a running cloud offers its clients, wherever its server runs. */
export type Access = Omit<Cloud, 'credential' | 'ownerObjectId' | TestHelper | 'stop' | typeof Symbol.asyncDispose>

/** Members that need the test API's socket. */
type TestHelper = 'evidence' | 'token' | 'unwrap'

const resourceManager = `https://${managementHost}`

/**
 * An `endpoint` in the options would also replace the address of a vault or provider, so the resource manager's requests
 * are redirected one by one.
 */
const redirection: Redirection = {
  name: 'strongroom',
  sendRequest: async (request, next) => {
    const url = new URL(request.url)
    if (`${url.origin}/` === managementAudience) request.url = `${resourceManager}${url.pathname}${url.search}`
    return await next(request)
  },
}

/** @param o.directory az's, for this cloud only; `o.client.certificate`, path of the owner's sign-in file */
export function accessTo(o: {
  record: ServerRecord
  client: { id: string; certificate: string }
  directory: string
  ca: string
  agent: Agent
}): Access {
  const { record, client, ca, agent } = o
  return {
    endpoints: {
      resourceManager,
      authority: `https://${loginHost}`,
      keyVaultSuffix: `.vault.${domain}`,
      proxy: `http://127.0.0.1:${record.ports.local}`,
      tls: record.ports.tls,
    },
    env: {
      ...clientEnvironment(record, o.directory),
      AZURE_TENANT_ID: record.tenantId,
      AZURE_CLIENT_ID: client.id,
      AZURE_CLIENT_CERTIFICATE_PATH: client.certificate,
    },
    ca,
    subscriptionId: record.subscriptionId,
    tenantId: record.tenantId,
    region: record.region,
    agent,
    clientOptions: { agent, additionalPolicies: [{ policy: redirection, position: 'perCall' }] },
    issuer: `https://${sharedAttestationHost(homeRegion.code)}`,
  }
}

type Token = Awaited<ReturnType<OwnerCredential['getToken']>>

/** A credential over a source of tokens per audience. Scopes are `AUDIENCE/.default`; the first one counts, as in Azure's SDKs. */
export function ownerCredential(fetchToken: (audience: string) => Promise<Token>): OwnerCredential {
  return {
    getToken: async (scopes) => {
      const resource = String(Array.isArray(scopes) ? scopes[0] : scopes).replace(/\/\.default$/, '')
      return await fetchToken(resource === resourceManager ? managementAudience : resource)
    },
  }
}
