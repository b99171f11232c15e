import { createHash, createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { rowAltered } from './altered.ts'
import { macColumn, type Child, type Column, type Shape } from './shapes.ts'
import type { Share } from './store-seal.ts'
import type { VerifiedRow, VerifiedRows } from './verified-rows.ts'

export type Row = Record<string, unknown>

const macBytes = 24
const shareFrom = 32

/**
 * Authentication codes of one table's rows: HMAC-SHA512 under the table's key, over every column in name order. Its
 * first 24 bytes are stored in the row; its last 32 go into the seal and appear nowhere.
 */
export class BoundTable {
  readonly service: string
  readonly table: string
  readonly columns: readonly Column[]
  readonly key: readonly string[]
  readonly children: readonly Child[]
  /** Identifies the table by key and columns: any change makes another table. */
  readonly form: string
  /** In authentication order. */
  readonly names: readonly string[]
  readonly #key: KeyObject
  readonly #kinds: ReadonlyMap<string, Column['kind']>
  /** Positions in `names` of the key's columns. */
  readonly #keyAt: readonly number[]
  readonly #known: VerifiedRows

  /** @param o.known the store's */
  constructor(service: string, shape: Shape, o: { key: KeyObject; known: VerifiedRows }) {
    this.#known = o.known
    this.service = service
    this.table = shape.table
    this.columns = shape.columns
    this.key = shape.key
    this.children = shape.children
    this.names = shape.columns.map((column) => column.name).toSorted()
    this.#keyAt = shape.key.map((column) => this.names.indexOf(column))
    this.#kinds = new Map(shape.columns.map((column) => [column.name, column.kind]))
    const form = JSON.stringify([shape.table, shape.key, this.names])
    this.form = createHash('sha256').update(form).digest('base64url')
    this.#key = createSecretKey(createHmac('sha256', o.key).update(form).digest())
  }

  /** @returns the code to store with the row, and the row's contribution to the seal */
  bind(row: Row): { mac: string; share: Share } {
    return this.#computed(textOf(row, this.names))
  }

  /** `bind` for a row that is likely to be read next, which then costs no second computation. */
  bindAgain(row: Row): { mac: string; share: Share } {
    const bound = this.#computed(textOf(row, this.names))
    this.#known.set(this.#keyText(row, this.names), bound)
    return bound
  }

  /** @throws ServiceError RowAltered */
  verify(row: Row): Share {
    const text = textOf(row, this.names)
    const known = this.#known.find(this.#keyText(row, this.names), row[macColumn], text)
    return (known ?? this.#verified(row, this.names, macColumn, text)).share
  }

  /**
   * Verifies a row of a query's result, whose columns may have other names.
   * @param names the result's names of the columns in `this.names`
   * @param mac the result's name of the authentication code
   * @throws ServiceError RowAltered
   */
  verifyNamed(row: Row, names: readonly string[], mac: string): void {
    const text = textOf(row, names)
    const key = this.#keyText(row, names)
    if (this.#known.find(key, row[mac], text) !== undefined) return
    this.#known.setIfSeen(key, this.#verified(row, names, mac, text))
  }

  keyOf(row: Row): unknown[] {
    return this.key.map((column) => row[column])
  }

  /** Whether values of these types are read back as written, so that the row is known without reading it. */
  takes(column: string, value: unknown): boolean {
    if (value === null) return true
    const kind = this.#kinds.get(column)
    return kind === 'text' ? typeof value === 'string' : Number.isSafeInteger(value) && !Object.is(value, -0)
  }

  #verified(row: Row, names: readonly string[], mac: string, text: string): VerifiedRow {
    const digest = this.#digest(text)
    const kept = typeof row[mac] === 'string' ? row[mac] : ''
    const bytes = Buffer.from(kept, 'base64')
    if (bytes.length === macBytes && timingSafeEqual(bytes, digest.subarray(0, macBytes)))
      return { text, mac: kept, share: shareOf(digest) }
    const key = this.#keyAt.map((position, index) => [this.key[index], row[names[position]!]])
    throw rowAltered(this.service, this.table, Object.fromEntries(key))
  }

  #computed(text: string): VerifiedRow {
    const digest = this.#digest(text)
    return { text, mac: digest.toString('base64', 0, macBytes), share: shareOf(digest) }
  }

  #keyText(row: Row, names: readonly string[]): string {
    // Not the table's name: with other columns, the same row has another code.
    let text = this.form
    for (const position of this.#keyAt) text += written(row[names[position]!])
    return text
  }

  #digest(text: string): Buffer {
    return createHmac('sha512', this.#key).update(text).digest()
  }
}

/** The authenticated text of a row. */
function textOf(row: Row, names: readonly string[]): string {
  let text = ''
  for (const name of names) text += written(row[name])
  return text
}

/** Texts are preceded by their length, so that no two rows yield the same text. */
function written(value: unknown): string {
  if (typeof value === 'string') return `${value.length}:${value}`
  if (typeof value === 'number' || typeof value === 'bigint') return `#${value};`
  // Bytes, which no column contains, match no code.
  return value === null || value === undefined ? '-' : `?${typeof value};`
}

const shareOf = (digest: Buffer): Share => BigInt(`0x${digest.toString('hex', shareFrom)}`)
