import type { VerifierSettings } from '@strongroom/contract'

export interface Response {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  text: string
  /** The body as it came. */
  bytes: Uint8Array
  /** Parsed if the server sent JSON. */
  json: unknown
}

export interface HttpsClient {
  request(options: {
    method: string
    url: string
    token?: string
    /** Sent as JSON. */
    body?: unknown
    /** Sent unchanged, in place of a body. */
    bytes?: Uint8Array
    headers?: Record<string, string>
  }): Promise<Response>
  close(): void
}

/** Written by strongroomd to STATE/server.json when it is ready. */
export interface ServerRecord {
  pid: number
  /** Field 22 of /proc/PID/stat: guards against a reused pid. */
  startTime: string
  ports: { tls: number; local: number }
  caPath: string
  subscriptionId: string
  tenantId: string
  region: string
  mode: 'simulated' | 'hardware'
  /** Azure's shared attestation providers in release policies map to this installation's. */
  mapsAzureProviders?: true
}

export interface Connection {
  server: ServerRecord
  https: HttpsClient
  ownerToken(audience?: string): Promise<string>
  /** Attestation providers of other origins named by the operator. */
  verifiers: VerifierSettings[]
  /** Published key set of an attestation provider: this installation's, or one named by the operator. */
  fetchKeySet: (issuer: string) => Promise<unknown>
}
