import { flushCompileCache } from 'node:module'
import type { Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { visibleJson } from '@strongroom/contract'
import type { HostAgent } from '@strongroom/host/agent'
import { toErrorBody } from '@strongroom/platform'
import { compose, type RunningInstallation } from './compose.ts'
import { runHostAgent } from './host-agent.ts'
import { notifySystemd } from './notify-systemd.ts'
import { keepMemoryFromCoreFiles } from './core-files.ts'
import { collectAtRest } from './collect-at-rest.ts'
import { readInheritedListeners } from './inherited-listeners.ts'
import { openTemporaryHome, type TemporaryHome } from './temporary-home.ts'

/**
 * The server: all services of one installation in one process.
 *   --state-dir DIR  --cache-dir DIR  [--port N] [--local-port N] [--mode simulated|hardware]
 *   [--compute guests|simulated] [--strict-images] [--test-api] [--store-url-file FILE] [--temporary-home DIR]
 *   [--fleet-address ADDRESS:PORT] [--fleet-storage FILE]
 * --host-dir DIR [--host-join ADDRESS:PORT] runs a joined host's agent instead of a server; --host-join joins first,
 * with the code on standard input.
 * --fleet-address: hosts reach this server there, and may join (docs/guides/fleet.md). --fleet-storage: FILE says where the
 * disks of their VMs are.
 * --hand-over: the parent process keeps the listening sockets, for the server that takes this one's place: it gets
 * them as messages { type: 'listener', name } over the IPC channel, a message { type: 'restart' } when the owner wants
 * another server, and passes them on as open files: --inherited-listeners TLS,LOCAL are their numbers.
 * --temporary-home: DIR, with the state directory in it, is removed at the end. STRONGROOM_VAULT_LIMITS=azure gives
 * tenants' vaults Azure's rate limits. STRONGROOM_BOOT_LIMIT_SECONDS overrides the guests' boot limit, which depends on
 * the acceleration. STRONGROOM_KEYSTORE_FILE configures where keys are created and kept. STRONGROOM_BIND_ROWS=1 accepts
 * the rows of unsealed stores as they are (docs/explanation/stores.md). STRONGROOM_KEEP_VMS_OFF=1 does not bring back the VMs that
 * were running when the last server ended. STRONGROOM_MAP_AZURE_PROVIDERS=1 maps Azure's shared attestation providers
 * in release policies to this installation's. Started by the CLI it reports over the IPC channel, and ends when that
 * channel closes. Under systemd it reports readiness, and errors on standard error. Otherwise it prints one line.
 */
const { values } = parseArgs({
  options: {
    'state-dir': { type: 'string' },
    'cache-dir': { type: 'string' },
    port: { type: 'string' },
    'local-port': { type: 'string' },
    mode: { type: 'string' },
    compute: { type: 'string' },
    'strict-images': { type: 'boolean' },
    'test-api': { type: 'boolean' },
    'store-url-file': { type: 'string' },
    'temporary-home': { type: 'string' },
    'fleet-address': { type: 'string' },
    'fleet-storage': { type: 'string' },
    'host-dir': { type: 'string' },
    'host-join': { type: 'string' },
    'hand-over': { type: 'boolean' },
    'inherited-listeners': { type: 'string' },
  },
})

/** The secret of a first start is only for the process that started the server: standard output may be logged. */
function tell({
  firstStart,
  ...message
}: {
  type: string
  firstStart?: object | undefined
  [member: string]: unknown
}): void {
  if (process.send !== undefined) process.send({ ...message, ...(firstStart !== undefined && { firstStart }) })
  else if (process.env['NOTIFY_SOCKET'] !== undefined) notifySystemd(message)
  else process.stdout.write(`${visibleJson(message)}\n`)
}

let temporaryHome: TemporaryHome | undefined
let running: RunningInstallation | undefined
let agent: HostAgent | undefined
let stopping: Promise<void> | undefined

async function stop(exitCode: number): Promise<void> {
  stopping ??= (async () => {
    await running?.close()
    await agent?.shutDown()
    await temporaryHome?.remove()
    if (process.connected) process.disconnect()
    process.exitCode = exitCode
  })()
  await stopping
  process.exit(exitCode)
}

process.on('SIGTERM', () => void stop(0))
process.on('SIGINT', () => void stop(0))
if (process.send !== undefined) process.on('disconnect', () => void stop(0))

/** To the parent: what arrives while no server runs waits in them. */
function handOver(sockets: RunningInstallation['sockets']): void {
  for (const [name, socket] of Object.entries(sockets)) process.send?.({ type: 'listener', name }, socket as Socket)
}

async function serveInstallation(): Promise<void> {
  temporaryHome = await openTemporaryHome(values['temporary-home'], values['state-dir'])
  running = await compose({
    stateDir: values['state-dir'],
    cacheDir: values['cache-dir'],
    ports: { tls: values.port, local: values['local-port'] },
    mode: values.mode,
    compute: values.compute,
    strictImages: values['strict-images'] ?? false,
    testApi: values['test-api'] ?? false,
    storeUrlFile: values['store-url-file'],
    fleetAddress: values['fleet-address'],
    fleetStorageFile: values['fleet-storage'],
    keystoreFile: process.env['STRONGROOM_KEYSTORE_FILE'],
    bootLimitSeconds: process.env['STRONGROOM_BOOT_LIMIT_SECONDS'],
    vaultLimits: process.env['STRONGROOM_VAULT_LIMITS'],
    bindRows: process.env['STRONGROOM_BIND_ROWS'],
    keepVmsOff: process.env['STRONGROOM_KEEP_VMS_OFF'],
    mapAzureProviders: process.env['STRONGROOM_MAP_AZURE_PROVIDERS'],
    inherited: readInheritedListeners(values['inherited-listeners']),
    ...(values['hand-over'] === true && { restart: () => tell({ type: 'restart' }) }),
  })
  if (values['hand-over'] === true && values['inherited-listeners'] === undefined) handOver(running.sockets)
  tell({ type: 'ready', firstStart: running.firstStart })
  collectAtRest()
  // Node writes its compile cache only at exit; after a killed server the next start would be as slow.
  setTimeout(flushCompileCache, 1_000).unref()
}

try {
  // Before there is any key.
  keepMemoryFromCoreFiles()
  const directory = values['host-dir']
  if (directory === undefined) await serveInstallation()
  else await runHostAgent({ directory, join: values['host-join'], tell, opened: (opened) => (agent = opened) })
} catch (error) {
  tell({ type: 'failed', error: toErrorBody(error).body.error })
  await stop(1)
}
