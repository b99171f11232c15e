import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { EvidenceError, type Jwk } from '@strongroom/evidence'
import { verifyFirmwareList, type FirmwareList } from '@strongroom/evidence/expected'
import { forUpdate, ServiceError, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Tables } from '../store/migrations.ts'

const remedy = 'Have the operator sign the list again: strongroom firmware sign.'

/** The list of firmware that the installation signed, in its state directory, where others may have written. */
export class SignedFirmwareList {
  readonly #o: { store: Store; path: string; keys: readonly Jwk[] }
  #last: { jws: string; list: FirmwareList } | undefined

  constructor(o: { store: Store; path: string; keys: readonly Jwk[] }) {
    this.#o = o
  }

  /** @throws ServiceError FirmwareListMissing, FirmwareListInvalid, FirmwareListSuperseded */
  async read(): Promise<{ jws: string; list: FirmwareList }> {
    const jws = await readFile(this.#o.path, 'utf8').catch((cause: unknown) => {
      throw new ServiceError({
        code: 'FirmwareListMissing',
        message: 'The list of firmware that guests may be launched with cannot be read.',
        target: 'firmware',
        expected: this.#o.path,
        found: (cause as NodeJS.ErrnoException).code ?? 'an error',
        remedy,
        cause,
      })
    })
    if (this.#last?.jws === jws) return this.#last
    const list = await verifyFirmwareList({ jws, keys: this.#o.keys }).catch((cause: unknown) => {
      if (cause instanceof EvidenceError) throw invalid(cause)
      throw cause
    })
    await this.#requireNewest(jws, list)
    return (this.#last = { jws, list })
  }

  /** A replaced list may name firmware that was withdrawn since. */
  async #requireNewest(jws: string, { signedAt, first }: FirmwareList): Promise<void> {
    const row = { id: 1, signed_at: signedAt.toISOString(), digest: createHash('sha256').update(jws).digest('hex') }
    await this.#o.store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const query = tx.selectFrom('firmware_list').selectAll().where('id', '=', 1)
      const newest = await forUpdate(this.#o.store, query).executeTakeFirst()
      if (newest === undefined) await tx.insertInto('firmware_list').values(row).execute()
      else if (newest.digest === row.digest) return
      // A list signed unrequested, because the previous one was removed, may name what the host likes.
      else if (first || row.signed_at <= newest.signed_at) throw superseded(newest.signed_at, row.signed_at)
      else {
        const { signed_at, digest } = row
        await tx.updateTable('firmware_list').set({ signed_at, digest }).where('id', '=', 1).execute()
      }
    })
  }
}

const invalid = (cause: EvidenceError): ServiceError =>
  new ServiceError({
    code: 'FirmwareListInvalid',
    message: `The list of firmware that guests may be launched with does not count: ${cause.message}.`,
    target: 'firmware',
    expected: cause.expected ?? 'a list signed by the key of this installation',
    found: cause.found ?? 'another',
    remedy,
    cause,
  })

const superseded = (newest: string, found: string): ServiceError =>
  new ServiceError({
    code: 'FirmwareListSuperseded',
    message:
      'The list of firmware that guests may be launched with is not the one in force, nor one that the operator signed later.',
    target: 'firmware',
    expected: `the list of ${newest}, or one that the operator signed later`,
    found: `a list of ${found}`,
    remedy,
  })
