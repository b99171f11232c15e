import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { diskBlobHost, type DiskAccess, type DiskAccessRequest, type DiskPermission } from '@strongroom/contract'
import { ServiceError, writeFileAtomically, type Clock, type Sealer } from '@strongroom/platform'
import { isVmId } from '../../records/layout.ts'

const diskParts = ['disk.vhd', 'guest-state.vmgs'] as const

/** Of a disk: one of `diskParts`; of a backup, the name of a file. */
export type BlobPart = string

interface Grant {
  permission: DiskPermission
  until: string
  withGuestState: boolean
  /** Files that it is for, where it is not for a disk. */
  parts?: string[]
  /** Key of the signature, sealed, in base64. */
  key: string
}

export interface OpenGrant {
  id: string
  part: BlobPart
  permission: DiskPermission
}

const version = '2024-11-04'

/**
 * Grants to read or write a disk by its address alone, with an expiry: one per disk, each under a separate key, so that
 * a revoked one stays invalid when the disk is granted again.
 */
export class AccessGrants {
  readonly #directory: string
  readonly #sealer: Sealer
  readonly #clock: Clock

  constructor(o: { stateDir: string; sealer: Sealer; clock: Clock }) {
    this.#directory = join(o.stateDir, 'disk-access')
    this.#sealer = o.sealer.derive('disk-access')
    this.#clock = o.clock
  }

  async grant(id: string, request: DiskAccessRequest): Promise<DiskAccess> {
    const { grant, key } = await this.#keep(id, request)
    const address = (part: BlobPart): string => addressOf(id, part, grant, key)
    return {
      accessSAS: address('disk.vhd'),
      ...(request.withGuestState && { securityDataAccessSAS: address('guest-state.vmgs') }),
    }
  }

  /** Addresses of files that belong together. @returns them by name */
  async grantParts(
    id: string,
    o: { permission: DiskPermission; seconds: number; parts: string[] },
  ): Promise<Record<string, string>> {
    const { grant, key } = await this.#keep(id, { ...o, withGuestState: false })
    return Object.fromEntries(o.parts.map((part) => [part, addressOf(id, part, grant, key)]))
  }

  async #keep(id: string, request: DiskAccessRequest & { parts?: string[] }): Promise<{ grant: Grant; key: Buffer }> {
    const key = randomBytes(32)
    const until = new Date(this.#clock.now().getTime() + request.seconds * 1000)
    const grant: Grant = {
      permission: request.permission,
      until: `${until.toISOString().slice(0, 19)}Z`,
      withGuestState: request.withGuestState,
      ...(request.parts !== undefined && { parts: request.parts }),
      key: Buffer.from(await this.#sealer.seal(key, id)).toString('base64'),
    }
    await writeFileAtomically(this.#path(id), JSON.stringify(grant))
    return { grant, key }
  }

  /** Idempotent. */
  async revoke(id: string): Promise<void> {
    await rm(this.#path(id), { force: true })
  }

  /** The disk's current grant. */
  async find(id: string): Promise<{ permission: DiskPermission; until: string } | undefined> {
    const grant = await this.#read(id)
    return grant && { permission: grant.permission, until: grant.until }
  }

  /** @throws ServiceError AuthenticationFailed, worded as in Azure's blob service */
  async open(address: string): Promise<OpenGrant> {
    const url = URL.canParse(address) ? new URL(address) : undefined
    const [, id = '', part = ''] = url?.pathname.split('/') ?? []
    if (url?.hostname !== diskBlobHost || !isVmId(id)) throw refused('not the address of a disk')
    const grant = await this.#read(id)
    if (grant === undefined) throw refused('an address that was revoked or has expired')
    const named = (grant.parts ?? diskParts).find((each) => each === part)
    if (named === undefined) throw refused('not the address of a disk')
    if (named === 'guest-state.vmgs' && !grant.withGuestState) throw refused('an address of the disk only')
    const key = await this.#sealer.open(Buffer.from(grant.key, 'base64'), id)
    const given = Buffer.from(url.searchParams.get('sig') ?? '', 'base64url')
    const due = signature(id, named, grant, key)
    const members = url.searchParams.get('se') === grant.until && url.searchParams.get('sp') === mark(grant)
    if (!members || given.length !== due.length || !timingSafeEqual(given, due)) throw refused('another signature')
    return { id, part: named, permission: grant.permission }
  }

  async #read(id: string): Promise<Grant | undefined> {
    const text = await readFile(this.#path(id), 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    })
    if (text === undefined) return undefined
    const grant = JSON.parse(text) as Grant
    return Date.parse(grant.until) > this.#clock.now().getTime() ? grant : undefined
  }

  #path(id: string): string {
    if (!isVmId(id)) throw new TypeError('not the id of a disk')
    return join(this.#directory, `${id}.json`)
  }
}

const mark = (grant: Grant): string => (grant.permission === 'Read' ? 'r' : 'rw')

const signature = (id: string, part: BlobPart, grant: Grant, key: Uint8Array): Buffer =>
  createHmac('sha256', key)
    .update([id, part, mark(grant), grant.until, version].join('\n'))
    .digest()

function addressOf(id: string, part: BlobPart, grant: Grant, key: Uint8Array): string {
  const query = new URLSearchParams({
    sv: version,
    sr: 'b',
    sp: mark(grant),
    se: grant.until,
    sig: signature(id, part, grant, key).toString('base64url'),
  })
  return `https://${diskBlobHost}/${id}/${part}?${query.toString()}`
}

const refused = (found: string): ServiceError =>
  new ServiceError({
    code: 'AuthenticationFailed',
    status: 403,
    message:
      'Server failed to authenticate the request. Make sure the value of the signature in the address is correct and has not expired.',
    expected: 'an unexpired address from a grant of access',
    found,
    remedy: 'Grant access again: az disk grant-access, or az snapshot grant-access.',
  })
