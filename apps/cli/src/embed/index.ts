import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { managementAudience } from '@strongroom/contract'
import { findServer } from '../client/connection.ts'
import { fetchOwnerToken } from '../client/https.ts'
import { writeLoginFile } from '../client/login-file.ts'
import { CliError } from '../core/cli-error.ts'
import { findPaths, type Paths } from '../core/paths.ts'
import { startServer, stopServer, type RunningServer } from '../up/server-process.ts'
import { accessTo, ownerCredential } from './access.ts'
import { CloudAgent } from './agent.ts'
import type { Cloud } from './cloud.ts'
import { freePorts } from './ports.ts'
import { TestGuest } from './test-guest.ts'

export type { ClientOptions, Cloud, Endpoints, Evidence, OwnerCredential, Redirection, TokenOptions } from './cloud.ts'

/** How a cloud is started. */
export interface StartOptions {
  /** `simulated`: VMs pass through their states without guests, ready at once. `guests` boots real ones and needs Debian's packages. */
  compute?: 'simulated' | 'guests'
  /** Folder that keeps the cloud beyond this run. By default it is temporary, and removed at the end. */
  stateDir?: string
  /** Refuse VMs with unregistered images, instead of using the reference image. */
  strictImages?: boolean
  /** Let `evidence()`, `token()` and `strongroom test` work; by default, if the cloud is temporary. */
  testApi?: boolean
}

/** Another program may take a port between its choice and its use. */
const attempts = 5

/**
 * Starts a separate cloud on free ports of 127.0.0.1 and resolves when it is ready; any number can run side by side. It
 * ends with `stop()`, and when this process ends in any way.
 * @throws Error with `detail` (code, message, expected, found, remedy) if it cannot start; NodeTooOld if there is no
 * Node for the server
 */
export async function start(options: StartOptions = {}): Promise<Cloud> {
  for (let left = attempts; ; left--) {
    try {
      return await startOnce(options)
    } catch (error) {
      if (left === 1 || !(error instanceof CliError) || error.detail.code !== 'PortTaken') throw error
    }
  }
}

async function startOnce(options: StartOptions): Promise<Cloud> {
  const home = options.stateDir === undefined ? await mkdtemp(join(tmpdir(), 'strongroom-')) : undefined
  const own = findPaths(process.env)
  const paths: Paths =
    home === undefined
      ? { ...own, state: resolve(options.stateDir ?? own.state) }
      : { ...own, state: join(home, 'state'), config: join(home, 'config', 'strongroom') }
  const discard = async (): Promise<void> => {
    if (home !== undefined) await rm(home, { recursive: true, force: true })
  }
  try {
    if (home !== undefined) await mkdir(paths.config, { recursive: true, mode: 0o700 })
    const [tlsPort, localPort] = await freePorts(2)
    const server = await startServer({
      paths,
      tlsPort: String(tlsPort),
      localPort: String(localPort),
      compute: options.compute ?? 'simulated',
      strictImages: options.strictImages === true,
      testApi: options.testApi ?? home !== undefined,
      output: 'ignore',
      // A temporary cloud's keys are as temporary as its state.
      ...(home !== undefined && { temporaryHome: home, env: { XDG_CONFIG_HOME: join(home, 'config') } }),
    })
    try {
      return await cloudOf(server, paths, discard)
    } catch (error) {
      await stopServer(server)
      throw error
    }
  } catch (error) {
    await discard()
    throw error
  }
}

async function cloudOf(server: RunningServer, paths: Paths, discard: () => Promise<void>): Promise<Cloud> {
  const record = await findServer(paths.state)
  if (record === undefined) throw new Error(`the server of ${paths.state} exited after it was ready`)
  const socket = join(paths.state, 'run', 'owner.sock')
  const login = await writeLoginFile({ directory: join(paths.config, 'azure', record.subscriptionId), socket })
  const ca = await readFile(record.caPath, 'utf8')
  const agent = new CloudAgent({ port: record.ports.tls, ca })
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => {
    server.child.ref()
    return (stopping ??= stopServer(server)
      .then(discard)
      .finally(() => agent.destroy()))
  }
  // A caller who forgets to stop it can still exit: the server ends when its channel closes.
  server.child.unref()
  server.child.channel?.unref()
  const client = { id: login.clientId, certificate: login.path }
  const access = accessTo({ record, client, directory: dirname(login.path), ca, agent })
  const guest = new TestGuest({ socket: join(paths.state, 'run', 'test.sock'), agent, issuer: access.issuer })
  return {
    ...access,
    ownerObjectId: await ownerOf(socket),
    evidence: async (runtimeData) => await guest.evidence(runtimeData),
    token: async (options) => await guest.token(options),
    unwrap: (released) => guest.unwrap(released),
    credential: ownerCredential(async (audience) => {
      const { token, expiresAt } = await fetchOwnerToken(socket, audience)
      return { token, expiresOnTimestamp: expiresAt }
    }),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** The object id in the owner's tokens. */
async function ownerOf(socket: string): Promise<string> {
  const { token } = await fetchOwnerToken(socket, managementAudience)
  const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString('utf8')) as { oid: string }
  return claims.oid
}
