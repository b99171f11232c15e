import { fromHex } from '../../core/bytes/hex.ts'
import { ParseError } from '../../core/errors.ts'
import { measuredSections } from '../../eventlog/boot-phases.ts'
import { readJsonObject } from '../../tokens/json.ts'
import { shown } from '../../tokens/shown.ts'
import type { BootFile } from './measured-boot-file.ts'
import type { MeasuredSection } from './pcr11.ts'

/** Reads signed documents of measurements: one form each, everything else is refused. Every method throws ParseError. */
export class DocumentReader {
  readonly #name: string

  /** @param name of the kind of document, for messages */
  constructor(name: string) {
    this.#name = name
  }

  /** A JSON object of one of these versions with these further members. */
  document(
    payload: Uint8Array,
    o: { versions: readonly number[]; members: readonly string[]; optional?: readonly string[] },
  ): Record<string, unknown> {
    const document = this.members(readJsonObject(payload, this.#name), '', ['version', ...o.members], o.optional)
    const { version } = document
    if (typeof version === 'number' && o.versions.includes(version)) return document
    throw new ParseError({
      code: 'UnknownVersion',
      message: `${this.#name}: version`,
      expected: o.versions.join(' or '),
      found: shown(version),
    })
  }

  bootFile(value: unknown): BootFile {
    const read = this.members(value, 'bootFile', ['loader', 'sections'], ['kernel'])
    return {
      loader: this.sha256(read['loader'], 'bootFile.loader'),
      ...(read['kernel'] !== undefined && { kernel: this.sha256(read['kernel'], 'bootFile.kernel') }),
      sections: this.digestList(read['sections'], 'bootFile.sections', measuredSections),
    }
  }

  /** Names in measurement order, each once. */
  digestList(value: unknown, path: string, order: readonly string[]): MeasuredSection[] {
    if (!Array.isArray(value)) return this.refuse(path, 'a list', value)
    let last = -1
    return value.map((each: unknown, index) => {
      const { name, sha256: digest } = this.members(each, `${path}[${index}]`, ['name', 'sha256'])
      const place = order.indexOf(String(name))
      if (typeof name !== 'string' || place <= last)
        return this.refuse(`${path}[${index}].name`, `names of ${order.join(', ')}, in this order`, name)
      last = place
      return { name, sha256: this.sha256(digest, `${path}[${index}].sha256`) }
    })
  }

  sha256(value: unknown, path: string): Uint8Array {
    if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value))
      return this.refuse(path, 'SHA-256 in hexadecimal', value)
    return fromHex(value)
  }

  sha384(value: unknown, path: string): Uint8Array {
    if (typeof value !== 'string' || !/^[0-9a-f]{96}$/.test(value))
      return this.refuse(path, 'SHA-384 in hexadecimal', value)
    return fromHex(value)
  }

  integer(value: unknown, path: string, least: number, most: number): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
    return this.refuse(path, `a whole number from ${least} to ${most}`, value)
  }

  text(value: unknown, path: string): string {
    return typeof value === 'string' && value.length > 0 && value.length <= 200
      ? value
      : this.refuse(path, 'text of at most 200 characters', value)
  }

  time(value: unknown, path: string): Date {
    const found = typeof value === 'string' ? new Date(value) : undefined
    if (found === undefined || Number.isNaN(found.getTime()) || found.toISOString() !== value)
      return this.refuse(path, 'a time as 2026-01-31T00:00:00.000Z', value)
    return found
  }

  members(
    value: unknown,
    path: string,
    required: readonly string[],
    optional: readonly string[] = [],
  ): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return this.refuse(path, 'an object', value)
    const found = Object.keys(value)
    if (
      required.some((name) => !found.includes(name)) ||
      found.some((name) => ![...required, ...optional].includes(name))
    )
      return this.refuse(path, `the members ${required.join(', ')}`, found.join(', '))
    return value as Record<string, unknown>
  }

  refuse(path: string, expected: string, found: unknown): never {
    const message = `${this.#name}${path === '' ? '' : `: ${path}`} is not what it should be`
    throw new ParseError({ code: 'InvalidValue', message, expected, found: shown(found) })
  }
}
