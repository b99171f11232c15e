import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createFileAtomically, ServiceError, writeFileAtomically } from '@strongroom/platform'

/** A joined host's identity. Stored in its directory, readable only by its user. */
export interface HostIdentity {
  hostId: string
  name: string
  /** ADDRESS:PORT of the control plane. */
  address: string
  /** PEM. */
  authority: string
  certificate: string
  /** PKCS #8, PEM: never leaves this machine. */
  privateKey: string
}

const fileOf = (directory: string): string => join(directory, 'host.json')

/** @throws ServiceError HostAlreadyJoined */
export async function keepNewIdentity(directory: string, identity: HostIdentity): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  if (!(await createFileAtomically(fileOf(directory), JSON.stringify(identity)))) throw alreadyJoined(directory)
}

export async function keepIdentity(directory: string, identity: HostIdentity): Promise<void> {
  await writeFileAtomically(fileOf(directory), JSON.stringify(identity))
}

/** Undefined if nobody has joined from there. */
export async function findIdentity(directory: string): Promise<HostIdentity | undefined> {
  try {
    return JSON.parse(await readFile(fileOf(directory), 'utf8')) as HostIdentity
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export const alreadyJoined = (directory: string): ServiceError =>
  ServiceError.relayed(
    {
      code: 'HostAlreadyJoined',
      message: `${directory} belongs to a host that has already joined.`,
      target: '--dir',
      innererror: { remedy: 'Continue with `strongroom host run`, or join with another --dir.' },
    },
    409,
  )

export const notJoined = (directory: string): ServiceError =>
  ServiceError.relayed(
    {
      code: 'HostNotJoined',
      message: `${directory} does not belong to a joined host.`,
      target: '--dir',
      innererror: { remedy: 'Join first: strongroom host join ADDRESS:PORT.' },
    },
    409,
  )
