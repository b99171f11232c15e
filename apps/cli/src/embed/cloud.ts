import type { Agent } from 'node:https'

/** Where the cloud answers. Its names resolve only through `proxy`, `agent` or the port `tls` of 127.0.0.1. */
export interface Endpoints {
  resourceManager: string
  authority: string
  /** Vaults are `https://NAME` + this. */
  keyVaultSuffix: string
  /** HTTP proxy (CONNECT) for clients without an agent. */
  proxy: string
  /** Port on 127.0.0.1 that speaks TLS under every name. */
  tls: number
}

/** A credential for Azure's SDKs: tokens of the cloud's owner. */
export interface OwnerCredential {
  getToken(scopes: string | string[]): Promise<{ token: string; expiresOnTimestamp: number }>
}

/** A running cloud. */
export interface Cloud {
  endpoints: Endpoints
  /** Variables for other programs (az, SDKs in separate processes), signed in as the owner by a certificate. */
  env: Record<string, string>
  /** PEM of the certificate authority, created for this cloud only. */
  ca: string
  subscriptionId: string
  tenantId: string
  region: string
  credential: OwnerCredential
  /** Leads a request for any of the cloud's names to it, and trusts only `ca`. */
  agent: Agent
  /** For the clients of Azure's SDKs: `new ComputeManagementClient(cloud.credential, cloud.subscriptionId, cloud.clientOptions)`. */
  clientOptions: { endpoint: string; agent: Agent }
  /** Stops VMs and services, and removes temporary files. Further calls wait for the same end. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
