import { forUpdate, type Clock, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { invalidParameter } from '../core/errors.ts'
import type { Tables } from '../store/tables.ts'

/** One statement of a TPM about itself, with the time in its signature. */
export interface TpmStatement {
  /** Identifies the attestation key. */
  fingerprint: string
  resetCount: number
  restartCount: number
  /** Milliseconds of the TPM's clock. */
  clock: bigint
  /** SHA-256 of the signed bytes, or of the answered challenge, lower-case hexadecimal. */
  digest: string
  /** Request member that contains it, for errors. */
  target: string
}

/** Number of statements per boot remembered individually; older ones count as used. */
const remembered = 256

/**
 * Accepts each statement of a TPM once, and none from before a restart it has shown (attacks V8, K1): a TPM's counters
 * only increase, so anything older than the newest seen belongs to an earlier boot.
 */
export class Freshness {
  readonly #store: Store
  readonly #clock: Clock

  constructor(o: { store: Store; clock: Clock }) {
    this.#store = o.store
    this.#clock = o.clock
  }

  /** @throws ServiceError InvalidParameter with StatementReplayed or StatementBeforeRestart */
  async accept(statement: TpmStatement): Promise<void> {
    const { fingerprint } = statement
    const boot = bootNumber(statement)
    await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const fresh = { fingerprint, boot: String(boot), floor: '-1', updated_at: this.#clock.now().toISOString() }
      await tx
        .insertInto('tpm_boot')
        .values(fresh)
        .onConflict((conflict) => conflict.column('fingerprint').doNothing())
        .execute()
      const select = tx.selectFrom('tpm_boot').selectAll().where('fingerprint', '=', fingerprint)
      const seen = await forUpdate(this.#store, select).executeTakeFirstOrThrow()
      if (boot < BigInt(seen.boot)) throw beforeRestart(statement, BigInt(seen.boot))
      if (boot > BigInt(seen.boot)) {
        await tx.deleteFrom('tpm_statement').where('fingerprint', '=', fingerprint).execute()
        await tx.updateTable('tpm_boot').set(fresh).where('fingerprint', '=', fingerprint).execute()
      } else if (statement.clock <= BigInt(seen.floor)) throw replayed(statement)
      const used = await tx
        .selectFrom('tpm_statement')
        .select(['digest', 'clock'])
        .where('fingerprint', '=', fingerprint)
        .execute()
      if (used.some(({ digest }) => digest === statement.digest)) throw replayed(statement)
      await tx
        .insertInto('tpm_statement')
        .values({ fingerprint, digest: statement.digest, clock: String(statement.clock) })
        .execute()
      if (used.length >= remembered) await forgetOldest(tx, seen, used)
    })
  }
}

/** Resets first, then restarts: both only increase. */
function bootNumber({ resetCount, restartCount }: TpmStatement): bigint {
  return (BigInt(resetCount) << 32n) | BigInt(restartCount)
}

/** The floor never drops: statements below it are no longer remembered (attack K1). */
async function forgetOldest(
  tx: Kysely<Tables>,
  { fingerprint, floor }: Pick<Tables['tpm_boot'], 'fingerprint' | 'floor'>,
  used: { digest: string; clock: string }[],
): Promise<void> {
  const oldest = used.toSorted((left, right) => (BigInt(left.clock) < BigInt(right.clock) ? -1 : 1))[0]!
  await tx
    .deleteFrom('tpm_statement')
    .where('fingerprint', '=', fingerprint)
    .where('digest', '=', oldest.digest)
    .execute()
  if (BigInt(oldest.clock) <= BigInt(floor)) return
  await tx.updateTable('tpm_boot').set({ floor: oldest.clock }).where('fingerprint', '=', fingerprint).execute()
}

function beforeRestart(statement: TpmStatement, newest: bigint): unknown {
  return invalidParameter({
    target: statement.target,
    message: 'The TPM has restarted since it signed these statements: they belong to an earlier boot.',
    expected: `reset count ${newest >> 32n}, restart count ${newest & 0xffffffffn}, or later`,
    found: `reset count ${statement.resetCount}, restart count ${statement.restartCount}`,
    reason: 'StatementBeforeRestart',
    remedy: 'Take a new quote and create a new key in the running guest.',
  })
}

function replayed(statement: TpmStatement): unknown {
  return invalidParameter({
    target: statement.target,
    message: 'These TPM statements were used before: each is accepted once.',
    expected: 'statements that this service has not seen',
    found: `the statement of the TPM's time ${statement.clock} ms, seen already`,
    reason: 'StatementReplayed',
    remedy: 'Take a new quote and certify the key again for each request.',
  })
}
