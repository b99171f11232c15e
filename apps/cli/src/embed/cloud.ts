import type { KeyObject } from 'node:crypto'
import type { Agent } from 'node:https'
import type { Evidence, TokenOptions } from './test-guest.ts'

export type { Evidence, TokenOptions }

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

/** Changes a request of Azure's SDKs before it is sent (`PipelinePolicy` of @azure/core-rest-pipeline). */
export interface Redirection {
  name: string
  sendRequest<Request extends { url: string }, Response>(
    request: Request,
    next: (request: Request) => Promise<Response>,
  ): Promise<Response>
}

/** For every client of Azure's SDKs, of the resource manager and of vaults and providers. */
export interface ClientOptions {
  agent: Agent
  /** Leads requests for Azure's resource manager here. */
  additionalPolicies: { policy: Redirection; position: 'perCall' }[]
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
  /**
   * For the clients of Azure's SDKs: `new ComputeManagementClient(cloud.credential, cloud.subscriptionId,
   * cloud.clientOptions)`, `new KeyClient(vaultUrl, cloud.credential, cloud.clientOptions)`.
   */
  clientOptions: ClientOptions
  /** URL of the region's shared attestation provider: `iss` of its tokens, `authority` in release policies. */
  issuer: string
  /** Object id of the cloud's owner, for access policies and role assignments. */
  ownerObjectId: string
  /**
   * Body of `/attest/SevSnpVm`, made by the simulated processor; `token` sends one.
   * @param runtimeData members that the report binds, added to the key of `unwrap` and a VM's configuration
   * @throws Error OwnerSignInFailed if the cloud was started without the test API
   */
  evidence(runtimeData?: object): Promise<Evidence>
  /** A token of an attestation provider about a confidential VM that has the key of `unwrap`. */
  token(options?: TokenOptions): Promise<string>
  /** The private key in a release to a `token`. @param released `value` of the answer */
  unwrap(released: string): KeyObject
  /** Stops VMs and services, and removes temporary files. Further calls wait for the same end. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
