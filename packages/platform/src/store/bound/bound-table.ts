import { createHash, createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { rowAltered } from './altered.ts'
import { macColumn, type Child, type Column, type Shape } from './shapes.ts'
import { VerifiedTexts } from './verified-texts.ts'

export type Row = Record<string, unknown>

/** A row's contribution to its store's seal: a number below 2^256 that only the key's holder knows. */
export type Share = bigint

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
  readonly #known = new VerifiedTexts()

  constructor(service: string, shape: Shape, storeKey: KeyObject) {
    this.service = service
    this.table = shape.table
    this.columns = shape.columns
    this.key = shape.key
    this.children = shape.children
    this.names = shape.columns.map((column) => column.name).toSorted()
    this.#kinds = new Map(shape.columns.map((column) => [column.name, column.kind]))
    const form = JSON.stringify([shape.table, shape.key, this.names])
    this.form = createHash('sha256').update(form).digest('base64url')
    this.#key = createSecretKey(createHmac('sha256', storeKey).update(form).digest())
  }

  /** @returns the code to store with the row, and the row's contribution to the seal */
  bind(row: Row): { mac: string; share: Share } {
    const digest = this.#digest(textOf(row, this.names))
    return { mac: digest.toString('base64', 0, macBytes), share: shareOf(digest) }
  }

  /** @throws ServiceError RowAltered */
  verify(row: Row): Share {
    return shareOf(this.#verified(row, this.names, macColumn, textOf(row, this.names)))
  }

  /**
   * Verifies a row of a query's result, whose columns may have other names.
   * @param names the result's names of the columns in `this.names`
   * @param mac the result's name of the authentication code
   * @throws ServiceError RowAltered
   */
  verifyNamed(row: Row, names: readonly string[], mac: string): void {
    const text = textOf(row, names)
    const code = row[mac]
    if (typeof code === 'string' && this.#known.has(code, text)) return
    this.#verified(row, names, mac, text)
    this.#known.add(code as string, text)
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

  #verified(row: Row, names: readonly string[], mac: string, text: string): Buffer {
    const digest = this.#digest(text)
    const kept = Buffer.from(typeof row[mac] === 'string' ? row[mac] : '', 'base64')
    if (kept.length === macBytes && timingSafeEqual(kept, digest.subarray(0, macBytes))) return digest
    const key = this.key.map((column) => [column, row[names[this.names.indexOf(column)]!]])
    throw rowAltered(this.service, this.table, Object.fromEntries(key))
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
