import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { homeRegion } from '@strongroom/contract'
import { ServiceError } from '../errors/errors.ts'
import { createFileAtomically, writeFileAtomically } from '../files/files.ts'

/** Fixed when an installation is created; in STATE/installation.json. */
export interface Installation {
  id: string
  tenantId: string
  subscriptionId: string
  mode: 'simulated' | 'hardware'
  /** Whether virtual machines boot guests, or only pass through their states; absent in older records: guests. */
  compute?: Compute
  /** The stores' engine; default sqlite. Another one would be an empty installation under the same name. */
  stores?: Stores
  createdAt: string
  /** Name of the home region. */
  region: string
  /** On 127.0.0.1: the wire (TLS), and health, metrics and the CONNECT proxy (plain). */
  ports: { tls: number; local: number }
}

export type Compute = 'guests' | 'simulated'
export type Stores = 'sqlite' | 'postgres'

/** Unprivileged, and distinct from the popular ports 8443 and 8080. */
export const defaultPorts: Installation['ports'] = { tls: 8643, local: 8644 }

/**
 * Reads or creates STATE/installation.json. Given ports replace the recorded ones; mode, compute and stores cannot
 * change. The directory gets mode 0700.
 * @throws ServiceError InstallationModeFixed, InstallationComputeFixed, InstallationStoresFixed, InstallationUnreadable
 * or InvalidPort
 */
export async function openInstallation(o: {
  stateDir: string
  mode?: 'simulated' | 'hardware'
  compute?: Compute
  stores?: Stores
  ports?: { tls?: number; local?: number }
}): Promise<{ installation: Installation; created: boolean }> {
  if (!isAbsolute(o.stateDir)) throw new TypeError(`the state directory must be absolute: ${o.stateDir}`)
  for (const port of [o.ports?.tls, o.ports?.local]) checkPort(port)
  await mkdir(o.stateDir, { recursive: true, mode: 0o700 })
  await chmod(o.stateDir, 0o700)
  const path = join(o.stateDir, 'installation.json')
  const existing = await read(path)
  if (existing === undefined) {
    const made: Installation = {
      id: randomUUID(),
      tenantId: randomUUID(),
      subscriptionId: randomUUID(),
      mode: o.mode ?? 'simulated',
      ...(o.compute !== undefined && { compute: o.compute }),
      ...(o.stores !== undefined && { stores: o.stores }),
      createdAt: new Date().toISOString(),
      region: homeRegion.name,
      ports: withPorts(defaultPorts, o.ports),
    }
    if (await createFileAtomically(path, serialise(made))) return { installation: made, created: true }
  }
  const kept = existing ?? (await read(path))
  if (kept === undefined) throw unreadable(path, 'it vanished')
  assertKept(kept, o)
  const ports = withPorts(kept.ports, o.ports)
  if (ports.tls === kept.ports.tls && ports.local === kept.ports.local) return { installation: kept, created: false }
  const changed = { ...kept, ports }
  await writeFileAtomically(path, serialise(changed))
  return { installation: changed, created: false }
}

/** Values given at a later start must match the installation's; omitted ones stay. */
function assertKept(
  kept: Installation,
  given: { mode?: Installation['mode']; compute?: Compute; stores?: Stores },
): void {
  const fixed = (
    expected: string,
    found: string | undefined,
    refusal: { code: FixedCode; message: string; remedy: string },
  ) => {
    if (found !== undefined && found !== expected) throw new ServiceError({ ...refusal, expected, found })
  }
  fixed(kept.mode, given.mode, {
    code: 'InstallationModeFixed',
    message: 'The mode of an installation is fixed at creation: simulated and real evidence never mix.',
    remedy: 'Use another state directory for the other mode.',
  })
  fixed(kept.compute ?? 'guests', given.compute, {
    code: 'InstallationComputeFixed',
    message: 'Whether an installation boots guests is fixed at creation.',
    remedy: 'Use another state directory for the other kind.',
  })
  fixed(kept.stores ?? 'sqlite', given.stores, {
    code: 'InstallationStoresFixed',
    message: 'Where an installation keeps its stores is fixed at creation.',
    remedy:
      kept.stores === 'postgres'
        ? 'Pass --store-url-file, as when the installation was created.'
        : 'Omit --store-url-file, or use another state directory.',
  })
}

type FixedCode = 'InstallationModeFixed' | 'InstallationComputeFixed' | 'InstallationStoresFixed'

function withPorts(base: Installation['ports'], given: { tls?: number; local?: number } = {}): Installation['ports'] {
  const ports = { tls: given.tls ?? base.tls, local: given.local ?? base.local }
  if (ports.tls === ports.local) throw invalidPort(`${ports.tls} for both`)
  return ports
}

function serialise(installation: Installation): string {
  return `${JSON.stringify(installation, null, 2)}\n`
}

async function read(path: string): Promise<Installation | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  let value: Partial<Installation>
  try {
    value = JSON.parse(text) as Partial<Installation>
  } catch (error) {
    throw unreadable(path, 'no JSON', error)
  }
  const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
  for (const name of ['id', 'tenantId', 'subscriptionId'] as const) {
    if (!uuid.test(String(value?.[name]))) throw unreadable(path, `no ${name}`)
  }
  if (value.mode !== 'simulated' && value.mode !== 'hardware') throw unreadable(path, 'no mode')
  for (const port of [value.ports?.tls, value.ports?.local]) {
    if (port === undefined) throw unreadable(path, 'no ports')
    checkPort(port)
  }
  return value as Installation
}

function checkPort(port: number | undefined): void {
  if (port === undefined) return
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalidPort(String(port))
}

function invalidPort(found: string): ServiceError {
  return new ServiceError({
    code: 'InvalidPort',
    message: 'These ports are not valid for an installation.',
    expected: 'two different whole numbers from 1 to 65535',
    found,
    remedy: 'Use other ports.',
  })
}

function unreadable(path: string, found: string, cause?: unknown): ServiceError {
  return new ServiceError({
    code: 'InstallationUnreadable',
    message: `The file ${path} is damaged.`,
    expected: 'the record of an installation',
    found,
    remedy: 'Restore it from a backup, or remove the installation with `strongroom reset`.',
    cause,
  })
}
