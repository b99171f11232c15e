import type { GuestDisk, GuestHealth, GuestSwap } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

type Fields = Record<string, unknown>

const name = /^[A-Za-z0-9_./:-]{1,200}$/
const place = /^(lun([0-9]|[1-5][0-9]|6[0-3])|resource)$/
/** More than any guest has. */
const listLimit = 128

/**
 * Reads what a guest says of its swap, clock, TPM and disks. @param at when it was said
 * @throws ServiceError 400 InvalidGuestHealth naming the field
 */
export function parseGuestHealth(body: unknown, at: Date): GuestHealth {
  const fields = object(body, 'body')
  return {
    reportedAt: at.toISOString(),
    swaps: list(fields, 'swaps').map(parseSwap),
    clock: parseClock(object(fields['clock'], 'clock')),
    tpm: parseTpm(object(fields['tpm'], 'tpm')),
    disks: list(fields, 'disks').map(parseDisk),
  }
}

function parseSwap(value: unknown, index: number): GuestSwap {
  const at = `swaps[${index}]`
  const fields = object(value, at)
  return {
    name: text(fields, 'name', name, at),
    type: text(fields, 'type', name, at),
    sizeKiB: count(fields, 'sizeKiB', at),
    protected: flag(fields, 'protected', at),
  }
}

function parseDisk(value: unknown, index: number): GuestDisk {
  const at = `disks[${index}]`
  const fields = object(value, at)
  return {
    place: text(fields, 'place', place, at),
    device: text(fields, 'device', name, at),
    sizeBytes: count(fields, 'sizeBytes', at),
    encrypted: flag(fields, 'encrypted', at),
  }
}

function parseClock(fields: Fields): GuestHealth['clock'] {
  const { offsetSeconds } = fields
  if (offsetSeconds !== undefined && (typeof offsetSeconds !== 'number' || !Number.isFinite(offsetSeconds)))
    throw invalid('clock.offsetSeconds', 'a number of seconds')
  return {
    daemon: text(fields, 'daemon', /^(active|inactive)$/, 'clock') === 'active' ? 'active' : 'inactive',
    ptpReference: flag(fields, 'ptpReference', 'clock'),
    ...(offsetSeconds !== undefined && { offsetSeconds }),
  }
}

function parseTpm(fields: Fields): GuestHealth['tpm'] {
  return {
    device: flag(fields, 'device', 'tpm'),
    lockout: flag(fields, 'lockout', 'tpm'),
    seals: flag(fields, 'seals', 'tpm'),
  }
}

function object(value: unknown, target: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(target, 'a JSON object')
  return value as Fields
}

function list(fields: Fields, target: string): unknown[] {
  const value = fields[target]
  if (!Array.isArray(value) || value.length > listLimit) throw invalid(target, `a list of at most ${listLimit}`)
  return value
}

function text(fields: Fields, key: string, form: RegExp, at: string): string {
  const value = fields[key]
  if (typeof value !== 'string' || !form.test(value)) throw invalid(`${at}.${key}`, `text of the form ${form.source}`)
  return value
}

function count(fields: Fields, key: string, at: string): number {
  const value = fields[key]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalid(`${at}.${key}`, 'a whole number')
  return value
}

function flag(fields: Fields, key: string, at: string): boolean {
  const value = fields[key]
  if (typeof value !== 'boolean') throw invalid(`${at}.${key}`, 'true or false')
  return value
}

function invalid(target: string, expected: string): ServiceError {
  return new ServiceError({
    code: 'InvalidGuestHealth',
    message: `The guest's report of its state has another form at ${target}.`,
    target,
    expected,
  })
}
