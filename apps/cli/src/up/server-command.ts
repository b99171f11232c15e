import { lstat, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { serverProgram } from '../bundle/program.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { nodeTooOld, serverNode } from '../core/node-program.ts'

export interface ServerCommandOptions {
  stateDir: string
  cacheDir: string
  tlsPort?: string
  localPort?: string
  mode?: string
  compute?: string
  strictImages?: boolean
  testApi?: boolean
  /** ADDRESS:PORT on which hosts reach the server. */
  fleetAddress?: string
  /** File that says where disks of joined hosts' VMs are. */
  fleetStorageFile?: string
  /** File with the URL of the PostgreSQL that keeps the stores. */
  storeUrlFile?: string
  /** Folder of the state, which the server removes at its end. */
  temporaryHome?: string
  /** Whether its parent holds its listening sockets, for the server that takes its place. */
  handOver?: boolean
  /** Numbers of open files: the listening sockets of the server whose place it takes. */
  inheritedListeners?: readonly number[]
}

export interface ServerCommand {
  file: string
  args: string[]
  /** To be added to the environment of the server. */
  env: Record<string, string>
}

/**
 * Node's own options for the server (docs/design/0002-start-up.md has the measurements). A young generation of 8 MiB per
 * half from the start on, and single-threaded garbage collection: helpers on other cores cost more than they save. The
 * young generation is collected while the old one is marked, too: otherwise it grows meanwhile, and the pause at the end
 * is five times as long. WebAssembly, used only by the type stripper, is not optimised: that takes longer than it saves.
 * One thread compiles: four at once would take both cores of a small machine from the requests.
 */
export const serverNodeOptions: readonly string[] = [
  '--conditions=x-source',
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=8',
  '--min-semi-space-size=8',
  '--single-threaded-gc',
  '--no-separate-gc-phases',
  '--v8-pool-size=1',
  '--liftoff-only',
]

/**
 * For glibc: allocations of 64 KiB and more are separate mappings, which are returned when they are freed. By itself it
 * raises this limit with the sizes it sees, and a burst of work then leaves its heap large, in fragments.
 */
const allocatorOptions = { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '131072' }

/**
 * How strongroomd is started by the CLI, system tests and benchmarks.
 * @throws CliError NodeTooOld
 */
export async function serverCommand(o: ServerCommandOptions): Promise<ServerCommand> {
  const args = [...serverNodeOptions, serverProgram('main.ts'), '--state-dir', o.stateDir, '--cache-dir', o.cacheDir]
  if (o.tlsPort !== undefined) args.push('--port', o.tlsPort)
  if (o.localPort !== undefined) args.push('--local-port', o.localPort)
  if (o.mode !== undefined) args.push('--mode', o.mode)
  if (o.compute !== undefined) args.push('--compute', o.compute)
  if (o.strictImages === true) args.push('--strict-images')
  if (o.testApi === true) args.push('--test-api')
  if (o.fleetAddress !== undefined) args.push('--fleet-address', o.fleetAddress)
  if (o.fleetStorageFile !== undefined) args.push('--fleet-storage', o.fleetStorageFile)
  if (o.storeUrlFile !== undefined) args.push('--store-url-file', o.storeUrlFile)
  if (o.temporaryHome !== undefined) args.push('--temporary-home', o.temporaryHome)
  if (o.handOver === true) args.push('--hand-over')
  if (o.inheritedListeners !== undefined) args.push('--inherited-listeners', o.inheritedListeners.join(','))
  const compileCache = join(o.cacheDir, 'compile')
  const env = (await isOursAlone(compileCache)) ? { NODE_COMPILE_CACHE: compileCache } : {}
  const file = serverNode()
  if (file === undefined) throw new CliError({ ...nodeTooOld, exitCode: exitCodes.missingPrerequisite })
  return { file, args, env: { ...allocatorOptions, ...env } }
}

/**
 * Whether the directory, created if needed, is writable by nobody else: Node runs what is in its compile cache.
 * Otherwise the server starts without the cache, only slower.
 */
async function isOursAlone(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const found = await lstat(directory)
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0
  } catch {
    return false
  }
}
