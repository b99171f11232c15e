import { fromHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'

/** A JSON object read member by member, each with the required type. */
export class JsonFields {
  readonly #object: Record<string, unknown>
  readonly #path: string

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'an object', value)
    this.#object = value as Record<string, unknown>
    this.#path = path
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name)
  }

  text(name: string): string {
    const value = this.#member(name)
    if (typeof value !== 'string') throw wrong(this.#at(name), 'a string', value)
    return value
  }

  integer(name: string, maximum: number): number {
    const value = this.#member(name)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > maximum) {
      throw wrong(this.#at(name), `an integer from 0 to ${maximum}`, value)
    }
    return value
  }

  bytes(name: string, length: number): Uint8Array {
    const bytes = fromHex(this.text(name))
    if (bytes.length !== length) throw wrong(this.#at(name), `${length} bytes of hexadecimal`, `${bytes.length} bytes`)
    return bytes
  }

  time(name: string): Date {
    const text = this.text(name)
    const time = new Date(text)
    // Date accepts days that a month lacks as days of the next month.
    if (Number.isNaN(time.getTime()) || time.toISOString() !== text.replace('Z', '.000Z'))
      throw wrong(this.#at(name), 'a time in Z', text)
    return time
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T {
    const text = this.text(name)
    const found = values.find((value) => value === text)
    if (found === undefined) throw wrong(this.#at(name), values.join(', '), text)
    return found
  }

  fields(name: string): JsonFields {
    return new JsonFields(this.#member(name), this.#at(name))
  }

  list<T>(name: string, read: (item: JsonFields) => T): T[] {
    return this.#array(name).map((item, index) => read(new JsonFields(item, `${this.#at(name)}[${index}]`)))
  }

  /** List of strings; empty if absent. */
  texts(name: string): string[] {
    if (!this.has(name)) return []
    return this.#array(name).map((item) => {
      if (typeof item !== 'string') throw wrong(this.#at(name), 'strings', item)
      return item
    })
  }

  #array(name: string): unknown[] {
    const value = this.#member(name)
    if (!Array.isArray(value)) throw wrong(this.#at(name), 'a list', value)
    if (value.length > 256) throw wrong(this.#at(name), 'at most 256 entries', value.length)
    return value as unknown[]
  }

  #member(name: string): unknown {
    if (!this.has(name)) throw new ParseError({ code: 'Missing', message: `${this.#at(name)} is absent` })
    return this.#object[name]
  }

  #at(name: string): string {
    return `${this.#path}.${name}`
  }
}

function wrong(path: string, expected: string, found: unknown): ParseError {
  const shown = typeof found === 'string' || typeof found === 'number' ? String(found).slice(0, 80) : typeof found
  return new ParseError({ code: 'InvalidValue', message: `${path} is not ${expected}`, expected, found: shown })
}
