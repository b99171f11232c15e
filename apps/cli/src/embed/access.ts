import type { Agent } from 'node:https'
import { domain, loginHost, managementAudience, managementHost } from '@strongroom/contract'
import type { ServerRecord } from '../client/connection.ts'
import { clientEnvironment } from '../client/environment.ts'
import type { Cloud, OwnerCredential } from './cloud.ts'

/** What a running cloud offers its clients, wherever its server runs. */
export type Access = Omit<Cloud, 'credential' | 'stop' | typeof Symbol.asyncDispose>

const resourceManager = `https://${managementHost}`

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
    clientOptions: { endpoint: resourceManager, agent },
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
