import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { managementAudience, type VerifierSettings } from '@strongroom/contract'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { createHttpsClient, expectSuccess, fetchOwnerToken, type HttpsClient } from './https.ts'
import { fetchVerifierKeys, readVerifiers } from './verifiers.ts'

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

function startTimeOf(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** The running server of a state directory, or undefined. */
export async function findServer(stateDir: string): Promise<ServerRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(join(stateDir, 'server.json'), 'utf8')) as ServerRecord
    const stat = await readFile(`/proc/${record.pid}/stat`, 'utf8')
    return startTimeOf(stat) === record.startTime ? record : undefined
  } catch {
    return undefined
  }
}

/** @throws CliError NotRunning */
export async function requireServer(stateDir: string): Promise<ServerRecord> {
  const server = await findServer(stateDir)
  if (server !== undefined) return server
  throw new CliError({
    code: 'NotRunning',
    message: `No server is running for ${stateDir}.`,
    remedy: 'Start it with `npm run up`, or set STRONGROOM_STATE_DIR to the right installation.',
    exitCode: exitCodes.notRunning,
  })
}

export async function connect(stateDir: string): Promise<Connection> {
  const server = await requireServer(stateDir)
  const https = createHttpsClient({ port: server.ports.tls, caPem: await readFile(server.caPath, 'utf8') })
  const verifiers = await readVerifiers(stateDir)
  const tokens = new Map<string, { token: string; expiresAt: number }>()
  return {
    server,
    https,
    verifiers,
    fetchKeySet: async (issuer) => {
      const other = verifiers.find((each) => each.issuer === issuer)
      if (other !== undefined) return await fetchVerifierKeys(other)
      return expectSuccess(await https.request({ method: 'GET', url: `${issuer}/certs` })).json
    },
    ownerToken: async (audience = managementAudience) => {
      const cached = tokens.get(audience)
      if (cached !== undefined && cached.expiresAt > Date.now()) return cached.token
      const fresh = await fetchOwnerToken(join(stateDir, 'run', 'owner.sock'), audience)
      tokens.set(audience, fresh)
      return fresh.token
    },
  }
}
