import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { managementAudience } from '@strongroom/contract'
import type { Connection, ServerRecord } from '../core/connection.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { createHttpsClient, expectSuccess, fetchOwnerToken } from './https.ts'
import { fetchVerifierKeys, readVerifiers } from './verifiers.ts'
import { startCommand } from '../core/own-name.ts'

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
    remedy: `Start it with \`${startCommand(stateDir)}\`, or set STRONGROOM_STATE_DIR to the right installation.`,
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
