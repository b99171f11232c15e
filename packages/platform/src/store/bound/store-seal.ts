import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'

/** A row's contribution to its store's seal: a number below 2^256 that only the key's holder knows. */
export type Share = bigint

/** Totals of one table. */
export interface Total {
  /** See BoundTable. */
  form: string
  rows: number
  /** Sum of its rows' contributions, modulo 2^256. */
  sum: Share
  /** As the seal contains it, once written: a transaction changes few of a store's tables. */
  text?: string
}

export interface Totals {
  /** Increased by every writing transaction. */
  revision: number
  tables: ReadonlyMap<string, Total>
}

const nonceBytes = 32
const tagBytes = 16
/** Each sealing has a separate key. */
const iv = new Uint8Array(12)

/**
 * The totals of all tables, encrypted and authenticated. Encrypted because someone who knew the sum before and after a
 * change would know the changed row's contribution, and could look for other rows with the same sum.
 */
export class StoreSeal {
  readonly #key: KeyObject
  #last: { text: string; totals: Totals } | undefined

  constructor(key: KeyObject) {
    this.#key = key
  }

  close(totals: Totals): string {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#keyOf(nonce), iv)
    let plain = `[${totals.revision}`
    for (const [table, total] of totals.tables)
      plain += `,${(total.text ??= JSON.stringify([table, total.form, total.rows, total.sum.toString(16)]))}`
    plain += ']'
    const text = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
      'base64',
    )
    this.#last = { text, totals }
    return text
  }

  /** Undefined if it was not sealed under this key. The result must not be changed. */
  open(text: string): Totals | undefined {
    if (this.#last?.text === text) return this.#last.totals
    const bytes = Buffer.from(text, 'base64')
    if (bytes.length < nonceBytes + tagBytes) return undefined
    const decipher = createDecipheriv('aes-256-gcm', this.#keyOf(bytes.subarray(0, nonceBytes)), iv)
    decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
    let plain: string
    try {
      const body = bytes.subarray(nonceBytes, bytes.length - tagBytes)
      plain = Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
    } catch {
      return undefined
    }
    const [revision, ...entries] = JSON.parse(plain) as [number, ...[string, string, number, string][]]
    const tables = entries.map(([table, form, rows, sum]) => [table, { form, rows, sum: BigInt(`0x${sum}`) }] as const)
    const totals = { revision, tables: new Map(tables) }
    this.#last = { text, totals }
    return totals
  }

  #keyOf(nonce: Uint8Array): KeyObject {
    return createSecretKey(createHmac('sha256', this.#key).update(nonce).digest())
  }
}

/** The changes of one transaction. */
export class Changes {
  readonly #tables = new Map<string, { rows: number; sum: Share }>()
  /** Statements that changed something. */
  statements = 0
  /** From a partially executed statement: the transaction must not commit. */
  failure: unknown
  /** Of the seal written for them. */
  revision = 0

  add(table: string, share: Share): void {
    this.#change(table, 1, share)
  }

  remove(table: string, share: Share): void {
    this.#change(table, -1, -share)
  }

  get isEmpty(): boolean {
    return this.#tables.size === 0
  }

  /** @returns the totals after this; `totals` is unchanged. */
  appliedTo(totals: Totals): Totals {
    const after = new Map(totals.tables)
    for (const [table, { rows, sum }] of this.#tables) {
      const total = totals.tables.get(table)
      if (total === undefined) throw new TypeError(`the table ${table} was not made by a migration of its store`)
      after.set(table, { form: total.form, rows: total.rows + rows, sum: BigInt.asUintN(256, total.sum + sum) })
    }
    return { revision: totals.revision + 1, tables: after }
  }

  #change(table: string, rows: number, sum: Share): void {
    const total = this.#tables.get(table)
    if (total === undefined) this.#tables.set(table, { rows, sum })
    else {
      total.rows += rows
      total.sum += sum
    }
  }
}
