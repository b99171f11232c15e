import { createHash, timingSafeEqual } from 'node:crypto'
import { forUpdate, ServiceError, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { shown } from '../core/errors.ts'
import type { Tables } from '../store/migrations.ts'
import type { KeyPlacementRow } from '../store/tables.ts'
import { attestedMember } from './attested.ts'

type Key = Pick<KeyPlacementRow, 'vault' | 'name' | 'version'>

/** Where the VMs of platform keys are placed, from the resource manager. A key without a placement is not in a fleet. */
export class KeyPlacements {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async find(key: Key, db: DatabaseTransaction): Promise<KeyPlacementRow | undefined> {
    return await this.#of(db, key).executeTakeFirst()
  }

  /** Nobody can raise it until the transaction ends. */
  async lock(tx: DatabaseTransaction, key: Key): Promise<KeyPlacementRow | undefined> {
    return await forUpdate(this.#store, this.#of(tx, key)).executeTakeFirst()
  }

  /** The epoch never decreases, and belongs to one ticket. Idempotent. @throws ServiceError PlacementOver */
  async raise(tx: DatabaseTransaction, row: KeyPlacementRow): Promise<void> {
    const before = await this.lock(tx, row)
    if (before !== undefined) {
      if (before.epoch === row.epoch && before.ticket_hash === row.ticket_hash) return
      if (row.epoch <= before.epoch) throw over(row.epoch, `an epoch above ${before.epoch}`)
    }
    const table = tx as Kysely<Tables>
    // Of two concurrent first placements the second fails, rather than write an older epoch over a newer one.
    if (before === undefined) await table.insertInto('key_placement').values(row).execute()
    else {
      const { epoch, ticket_hash, vault, name, version } = row
      await table
        .updateTable('key_placement')
        .set({ epoch, ticket_hash })
        .where('vault', '=', vault)
        .where('name', '=', name)
        .where('version', '=', version)
        .execute()
    }
  }

  #of(db: DatabaseTransaction, { vault, name, version }: Key) {
    return (db as Kysely<Tables>)
      .selectFrom('key_placement')
      .selectAll()
      .where('vault', '=', vault)
      .where('name', '=', name)
      .where('version', '=', version)
  }
}

/**
 * Whether the caller of a release is where the VM is placed now: the attested claims contain the epoch, and the request
 * its ticket, which only the VM's host has.
 * @throws ServiceError 403 Forbidden (PlacementOver)
 */
export function assertPlaced(row: KeyPlacementRow, o: { claims: Record<string, unknown>; placement: unknown }): void {
  const attested = attestedEpoch(o.claims)
  if (attested !== row.epoch) throw refused(`epoch ${row.epoch} in the attested claims`, shown(attested ?? 'none'))
  const { epoch, ticket } = (o.placement ?? {}) as { epoch?: unknown; ticket?: unknown }
  if (epoch !== row.epoch) throw refused(`epoch ${row.epoch} in the request`, shown(epoch ?? 'none'))
  if (typeof ticket !== 'string' || !isTicketOf(ticket, row)) throw refused('the ticket of this epoch', 'another')
}

const isTicketOf = (ticket: string, row: KeyPlacementRow): boolean =>
  timingSafeEqual(createHash('sha256').update(ticket).digest(), Buffer.from(row.ticket_hash, 'hex'))

/** Undefined outside a fleet. */
export const attestedEpoch = (claims: Record<string, unknown>): unknown => attestedMember(claims, 'placement-epoch')

const refused = (expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'Forbidden',
    reason: 'PlacementOver',
    message: 'The key is released only to the host that its VM is currently placed on.',
    target: 'placement',
    expected,
    found,
    remedy: 'None on this host: the VM was moved to another host, or was never placed here.',
  })

const over = (epoch: number, expected: string): ServiceError =>
  new ServiceError({
    code: 'PlacementOver',
    message: 'The VM of this key already has a later placement.',
    target: 'epoch',
    expected,
    found: String(epoch),
  })
