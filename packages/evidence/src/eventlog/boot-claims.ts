import { equal, utf8 } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { efiVendor } from './efi-vendor.ts'
import { measuredSections } from './boot-phases.ts'
import { ParseError } from '../core/errors.ts'
import type { Failure } from '../core/failure.ts'
import { bankDigest } from './algorithms.ts'
import { type MeasuredVariable, parseMeasuredVariable } from './measured-variable.ts'
import { isSeparatorData, type MeasuredEvent, type VerifiedEventLog } from './replay.ts'

/**
 * Claims about a boot, only from log content covered by quoted registers; event types and uncovered text are ignored.
 * A claim is absent if the log does not support it; absent means unknown, never true.
 */
export interface BootClaims {
  /** Absent if the firmware measured no Secure Boot state before its separator, or more than one. */
  secureBoot?: {
    enabled: boolean
    /** PK, KEK, db, dbx as measured: signature lists (`parseSignatureLists`); empty for a variable that does not exist. */
    variables: ReadonlyMap<string, Uint8Array>
    /** Entries of db, MokList and others by which images were accepted, in order. */
    authorities: readonly MeasuredVariable[]
  }
  /** Authenticode digests of the images that were started, in order and in the log's bank. */
  applications?: readonly Uint8Array[]
  /** Digests of a unified kernel image's sections by name, as systemd's stub measured them. */
  unifiedKernel?: ReadonlyMap<string, Uint8Array>
}

/** Registers that support the claims: of a TPM, or of a TD (CCEL numbers: RTMR0 is 1). */
const claimRegisters = {
  tpm: { secureBoot: 7, applications: 4, unifiedKernel: 11 },
  td: { secureBoot: 1, applications: 2, unifiedKernel: 3 },
} as const

const secureBootVariables = ['PK', 'KEK', 'db', 'dbx']

/**
 * @param kind whose registers: `td` for a log verified by `verifyRtmrLog`
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { bootClaims, parseEventLog, replay, verifyEventLog } from '@strongroom/evidence'
 *
 * const log = parseEventLog(await readFile('event-log.bin'))
 * const verified = await verifyEventLog({ log, bank: 'sha256', registers: await replay(log, 'sha256') })
 * const { secureBoot, unifiedKernel } = await bootClaims(verified)
 * secureBoot?.enabled // => true
 * secureBoot?.authorities.map(({ name }) => name) // => ['db']
 * Array.from(unifiedKernel?.keys() ?? []) // => ['.linux', '.osrel', '.cmdline', '.initrd', '.uname', '.sbat']
 */
export async function bootClaims(verified: VerifiedEventLog, kind: 'tpm' | 'td' = 'tpm'): Promise<BootClaims> {
  const registers = claimRegisters[kind]
  const of = (register: number): MeasuredEvent[] => verified.events.filter(({ pcr }) => pcr === register)
  const secureBoot = readSecureBoot(of(registers.secureBoot))
  const unifiedKernel = await readUnifiedKernel(verified, of(registers.unifiedKernel))
  return {
    ...(secureBoot === undefined ? {} : { secureBoot }),
    ...(verified.registers.has(registers.applications)
      ? { applications: readApplications(verified, of(registers.applications)) }
      : {}),
    ...(unifiedKernel === undefined ? {} : { unifiedKernel }),
  }
}

function readSecureBoot(events: readonly MeasuredEvent[]): BootClaims['secureBoot'] {
  const end = events.findIndex(({ coverage, data }) => coverage === 'covered' && isSeparatorData(data))
  // Any software could have measured what follows the separator; a separator of ones reports that the firmware failed.
  if (end < 0 || events[end]?.data[0] !== 0) return undefined
  const before = variablesOf(events.slice(0, end))
  const states = before.filter(({ name, vendor }) => name === 'SecureBoot' && vendor === efiVendor.global)
  const [state] = states
  if (state === undefined || states.length > 1 || state.data.length > 1) return undefined
  const variables = new Map<string, Uint8Array>()
  for (const name of secureBootVariables) {
    const vendor = name === 'PK' || name === 'KEK' ? efiVendor.global : efiVendor.imageSecurity
    const found = before.filter((variable) => variable.name === name && variable.vendor === vendor)
    if (found.length === 1 && found[0] !== undefined) variables.set(name, found[0].data)
  }
  return { enabled: state.data[0] === 1, variables, authorities: variablesOf(events.slice(end + 1)) }
}

function variablesOf(events: readonly MeasuredEvent[]): MeasuredVariable[] {
  return events.flatMap(({ coverage, data }) => {
    const variable = coverage === 'covered' ? readVariable(data) : undefined
    return variable === undefined ? [] : [variable]
  })
}

/** Undefined for malformed data. */
function readVariable(data: Uint8Array): MeasuredVariable | undefined {
  try {
    return parseMeasuredVariable(data)
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

/**
 * An image's measured bytes begin with MZ. A record whose digest covers other data measured a text, a separator or a table of
 * partitions; every other record may have measured an image.
 */
function readApplications({ bank }: VerifiedEventLog, events: readonly MeasuredEvent[]): Uint8Array[] {
  return events
    .filter(({ coverage, data }) => coverage !== 'covered' || (data[0] === 0x4d && data[1] === 0x5a))
    .map(({ digests }) => digests.get(bank) ?? new Uint8Array())
}

/** The stub measures each section's name, then its content; the digest identifies the name. */
async function readUnifiedKernel(
  { bank }: VerifiedEventLog,
  events: readonly MeasuredEvent[],
): Promise<ReadonlyMap<string, Uint8Array> | undefined> {
  if (events.length === 0) return undefined
  const names = new Map<string, string>()
  for (const name of measuredSections) {
    names.set(toHex(await bankDigest(bank, utf8(`${name}\0`))), name)
  }
  const sections = new Map<string, Uint8Array>()
  for (let at = 0; at + 1 < events.length; at++) {
    const name = names.get(toHex(events[at]?.digests.get(bank) ?? new Uint8Array()))
    if (name === undefined) continue
    const content = events[++at]?.digests.get(bank) ?? new Uint8Array()
    // A repeated section means an image with profiles, or two images: the log does not show which one runs.
    if (sections.has(name)) return undefined
    sections.set(name, content)
  }
  return sections.size === 0 ? undefined : sections
}

/** Requirements on a boot. Digests are in the log's bank. */
export interface BootPolicy {
  secureBoot?: boolean
  /** Every image that was started must be one of these. */
  applications?: readonly Uint8Array[]
  /** Sections of the unified kernel image, by name. */
  unifiedKernel?: Readonly<Record<string, Uint8Array>>
}

/**
 * Compares claims with a policy; an absent claim fails. Returns every failure.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { appraiseBoot, bootClaims, parseEventLog, replay, verifyEventLog } from '@strongroom/evidence'
 *
 * const log = parseEventLog(await readFile('event-log.bin'))
 * const verified = await verifyEventLog({ log, bank: 'sha256', registers: await replay(log, 'sha256') })
 * const claims = await bootClaims(verified)
 * appraiseBoot(claims, { secureBoot: true }) // => []
 * appraiseBoot(claims, { secureBoot: false }).map(({ path, code }) => `${path}: ${code}`) // => ['secureBoot: NotEqual']
 */
export function appraiseBoot(claims: BootClaims, policy: BootPolicy): Failure[] {
  const failures: Failure[] = []
  const { secureBoot, applications, unifiedKernel } = policy
  if (secureBoot !== undefined && claims.secureBoot?.enabled !== secureBoot) {
    const found = claims.secureBoot?.enabled
    failures.push({
      path: 'secureBoot',
      code: found === undefined ? 'Missing' : 'NotEqual',
      expected: String(secureBoot),
      actual: found === undefined ? 'not in the log' : String(found),
    })
  }
  if (applications !== undefined) {
    const expected = applications.map(toHex).join(' or ') || 'nothing'
    if (claims.applications === undefined) {
      failures.push({ path: 'applications', code: 'Missing', expected, actual: 'not in the log' })
    }
    for (const [index, digest] of (claims.applications ?? []).entries()) {
      if (applications.some((allowed) => equal(allowed, digest))) continue
      failures.push({ path: `applications.${index}`, code: 'NotAllowed', expected, actual: toHex(digest) })
    }
  }
  for (const [name, expected] of Object.entries(unifiedKernel ?? {})) {
    const found = claims.unifiedKernel?.get(name)
    if (found !== undefined && equal(found, expected)) continue
    failures.push({
      path: `unifiedKernel.${name}`,
      code: found === undefined ? 'Missing' : 'NotEqual',
      expected: toHex(expected),
      actual: found === undefined ? 'not in the log' : toHex(found),
    })
  }
  return failures
}
