import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Connection } from '../core/connection.ts'
import { ArmClient, apiVersions } from '../client/arm.ts'
import { connect } from '../client/connection.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import type { Paths } from '../core/paths.ts'
import { freePorts } from '../embed/ports.ts'
import { personalSshKey } from '../core/ssh-key.ts'
import { rememberAsked, askedWith } from '../trust/asked-settings.ts'
import { fetchVm } from '../commands/vm/resource.ts'
import { buildImage } from '../commands/image.ts'
import type { Progress } from '../up/progress.ts'
import { makeCustomerKey } from './customer-key.ts'
import { linkCache } from './own-cache.ts'
import { startServer, stopServer } from '../up/server-process.ts'
import { createVm, defaultAdmin, defaultGroup, referenceImage, sizeFor, vmPath } from '../up/vm-request.ts'

interface GuestKind {
  tee: string
  encryption: string
  customerKey?: true
}

/** Guests that a drill can create for itself. NonPersistedTPM is for TDX only (FAQ S17). */
const guests: Record<string, GuestKind> = {
  snp: { tee: 'snp', encryption: 'DiskWithVMGuestState' },
  tdx: { tee: 'tdx', encryption: 'DiskWithVMGuestState' },
  nonpersisted: { tee: 'tdx', encryption: 'NonPersistedTPM' },
  'customer-key': { tee: 'snp', encryption: 'DiskWithVMGuestState', customerKey: true },
}

/** The VM whose disk, guest state and key the attacks substitute for another's. */
const neighbour = { name: 'neighbour', tee: 'snp', encryption: 'DiskWithVMGuestState' } as const

/** VMs created for a drill of these: for an encrypted guest a second one, to take files from. */
function machines(names: readonly string[]): (GuestKind & { name: string })[] {
  const asked = names.map((name) => ({ name, ...guests[name]! }))
  const encrypted = asked.filter(({ encryption }) => encryption === neighbour.encryption)
  return encrypted.length === 1 ? [...asked, { ...neighbour, tee: encrypted[0]!.tee }] : asked
}

/** @throws CliError InvalidArgument */
export function parseGuests(text: string): string[] {
  const names = text.split(',')
  for (const name of names) {
    if (name in guests) continue
    throw new CliError({
      code: 'InvalidArgument',
      message: `There is no guest '${name}' to drill.`,
      expected: `${Object.keys(guests).join(', ')}, separated by commas`,
      found: name,
      remedy: 'For another kind of VM, create it, stop the server, and name it: `strongroom drill VM`.',
      exitCode: exitCodes.usage,
    })
  }
  return names
}

export interface OwnInstallation {
  paths: Paths
  remove(): Promise<void>
}

/** An installation in a temporary folder, with a VM of each kind that has booted once and is off; its cache reads the user’s. */
export async function makeInstallation(o: {
  cacheDir: string
  guests: readonly string[]
  progress: Progress
  signal: AbortSignal
}): Promise<OwnInstallation> {
  const home = await mkdtemp(join(tmpdir(), 'strongroom-drill-'))
  const paths = { state: join(home, 'state'), config: join(home, 'config/strongroom'), cache: join(home, 'cache') }
  const remove = async (): Promise<void> => await rm(home, { recursive: true, force: true })
  try {
    await mkdir(paths.config, { recursive: true, mode: 0o700 })
    await linkCache(o.cacheDir, paths.cache)
    const [tlsPort = '', localPort = ''] = (await freePorts(2)).map(String)
    const server = await startServer({ paths, tlsPort, localPort, env: { XDG_CONFIG_HOME: join(home, 'config') } })
    const stop = (): void => void server.child.kill('SIGTERM')
    o.signal.addEventListener('abort', stop, { once: true })
    try {
      const connection = await connect(paths.state)
      const arm = new ArmClient(connection)
      await buildImage(arm, o.progress)
      for (const guest of machines(o.guests)) await makeVm({ arm, connection }, { guest, paths, progress: o.progress })
      connection.https.close()
    } finally {
      o.signal.removeEventListener('abort', stop)
      await stopServer(server)
    }
    o.signal.throwIfAborted()
    return { paths, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function makeVm(
  { arm, connection }: { arm: ArmClient; connection: Connection },
  o: { guest: GuestKind & { name: string }; paths: Paths; progress: Progress },
): Promise<void> {
  const { name, tee, encryption, customerKey } = o.guest
  const key = await personalSshKey(o.paths.config)
  const asked = { adminUsername: defaultAdmin, sshPublicKeys: [key.publicText] }
  const request = {
    name,
    group: defaultGroup,
    size: sizeFor(tee),
    encryption,
    secureBoot: true,
    image: referenceImage,
    ...asked,
  }
  const done = o.progress.step(`make the guest ${name}`)
  const set = customerKey === true && { diskEncryptionSet: await makeCustomerKey({ arm, connection }, defaultGroup) }
  await createVm(arm, { ...request, ...set })
  const path = vmPath(arm, defaultGroup, name)
  const { vmId } = (await fetchVm(arm, path)).properties
  await rememberAsked(o.paths.config, vmId, askedWith(asked))
  await arm.run('POST', `${path}/deallocate`, apiVersions.compute)
  done()
}
