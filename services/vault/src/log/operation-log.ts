import { createHmac, timingSafeEqual } from 'node:crypto'
import { forUpdate, ServiceError, type Clock, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Kysely, Transaction } from 'kysely'
import type { OperationLogHeadRow, OperationLogRow, Tables } from '../store/migrations.ts'

export interface LogEntry {
  objectId: string
  appId: string
  operation: string
  vault: string
  keyName: string
  keyVersion?: string
  verdict: 'allowed' | 'refused'
  /** Error code of a refusal. */
  code?: string
  /** SHA-256 of the attestation token, hexadecimal: enough to find it again, nothing to replay. */
  tokenDigest?: string
  /** SHA-256 of the release policy that the decision was made by. */
  policyHash?: string
}

export interface LogVerdict {
  entries: number
  /** Sequence of the first entry that was altered or is missing. */
  brokenAt?: number
}

/**
 * Who did what with which key. Entries are chained by an HMAC whose key is sealed, so that whoever can write to the
 * database but does not hold the master key can neither edit, nor insert, nor cut without being found. An entry is
 * written in the transaction of what it records, or before the answer leaves.
 */
export class OperationLog {
  readonly #store: Store
  readonly #clock: Clock
  readonly #key: Uint8Array

  constructor(o: { store: Store; clock: Clock; key: Uint8Array }) {
    this.#store = o.store
    this.#clock = o.clock
    this.#key = o.key
  }

  async append(entry: LogEntry): Promise<void> {
    try {
      await this.#store.transaction((tx) => this.appendIn(tx, entry))
    } catch (cause) {
      throw new ServiceError({
        code: 'OperationLogUnavailable',
        status: 503,
        message: 'The operation log cannot be written, so the operation is refused.',
        remedy: 'See that the store of the vault is writable and has space, then repeat the request.',
        cause,
      })
    }
  }

  async appendIn(transaction: DatabaseTransaction, entry: LogEntry): Promise<void> {
    const tx = transaction as Transaction<Tables>
    // The first writer makes the head; the row is then the lock that orders all writers.
    await tx
      .insertInto('operation_log_head')
      .values(this.#head(0, ''))
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute()
    const head = await forUpdate(
      this.#store,
      tx.selectFrom('operation_log_head').selectAll().where('id', '=', 1),
    ).executeTakeFirstOrThrow()
    const row: Omit<OperationLogRow, 'mac'> = {
      sequence: head.sequence + 1,
      at: this.#clock.now().toISOString(),
      object_id: entry.objectId,
      app_id: entry.appId,
      operation: entry.operation,
      vault: entry.vault,
      key_name: entry.keyName,
      key_version: entry.keyVersion ?? '',
      verdict: entry.verdict,
      code: entry.code ?? '',
      token_digest: entry.tokenDigest ?? '',
      policy_hash: entry.policyHash ?? '',
    }
    const mac = this.#entryMac(row, head.last_mac)
    await tx
      .insertInto('operation_log')
      .values({ ...row, mac })
      .execute()
    await tx.updateTable('operation_log_head').set(this.#head(row.sequence, mac)).where('id', '=', 1).execute()
  }

  /** Walks the whole log. A log that was put back whole to an earlier state, head included, is not told apart. */
  async verify(): Promise<LogVerdict> {
    const db = this.#store.db as Kysely<Tables>
    let sequence = 0
    let previous = ''
    for (;;) {
      const rows = await db
        .selectFrom('operation_log')
        .selectAll()
        .where('sequence', '>', sequence)
        .orderBy('sequence')
        .limit(500)
        .execute()
      for (const row of rows) {
        const good = row.sequence === sequence + 1 && equal(row.mac, this.#entryMac(row, previous))
        if (!good) return { entries: sequence, brokenAt: sequence + 1 }
        sequence = row.sequence
        previous = row.mac
      }
      if (rows.length > 0) continue
      const head = await db.selectFrom('operation_log_head').selectAll().where('id', '=', 1).executeTakeFirst()
      if (!head) return sequence === 0 ? { entries: 0 } : { entries: sequence, brokenAt: sequence }
      const genuine = equal(head.mac, this.#head(head.sequence, head.last_mac).mac)
      if (genuine && head.sequence === sequence && head.last_mac === previous) return { entries: sequence }
      // Entries that were written since the last read lie between it and the head; else they are missing.
      const next = await db
        .selectFrom('operation_log')
        .select('sequence')
        .where('sequence', '>', sequence)
        .limit(1)
        .execute()
      if (!genuine || next.length === 0) return { entries: sequence, brokenAt: sequence + 1 }
    }
  }

  #entryMac(row: Omit<OperationLogRow, 'mac'>, previous: string): string {
    return this.#mac([
      'entry',
      previous,
      String(row.sequence),
      row.at,
      row.object_id,
      row.app_id,
      row.operation,
      row.vault,
      row.key_name,
      row.key_version,
      row.verdict,
      row.code,
      row.token_digest,
      row.policy_hash,
    ])
  }

  #head(sequence: number, lastMac: string): OperationLogHeadRow {
    return { id: 1, sequence, last_mac: lastMac, mac: this.#mac(['head', String(sequence), lastMac]) }
  }

  /** Each field is preceded by its length, so that no two entries run together to the same bytes. */
  #mac(fields: string[]): string {
    const hmac = createHmac('sha256', this.#key)
    for (const field of fields) {
      const bytes = Buffer.from(field, 'utf8')
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      hmac.update(length).update(bytes)
    }
    return hmac.digest('hex')
  }
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
