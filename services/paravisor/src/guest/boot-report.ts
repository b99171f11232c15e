import { ServiceError } from '@strongroom/platform'

/** What the guest's agent posts when its services run. All of it is unverified. */
export interface BootReport {
  nonce: Uint8Array
  quoteMessage: Uint8Array
  quoteSignature: Uint8Array
  pcrs: Map<number, Uint8Array>
  eventLog: Uint8Array
  /** What systemd states it extended; absent from images that do not report it. */
  userspaceLog?: Uint8Array
}

const base64url = /^[A-Za-z0-9_-]+$/
const digits = /^[0-9a-f]{32}$/
const digest = /^[0-9a-f]{64}$/

/** @throws ServiceError 400 InvalidBootReport naming the field */
export function parseBootReport(body: unknown): BootReport {
  if (typeof body !== 'object' || body === null) throw invalid('body', 'a JSON object')
  const fields = body as Record<string, unknown>
  return {
    nonce: bytes(fields, 'nonce', 64),
    quoteMessage: bytes(fields, 'quoteMessage', 1024),
    quoteSignature: bytes(fields, 'quoteSignature', 1024),
    pcrs: parseRegisters(fields['pcrs']),
    eventLog: bytes(fields, 'eventLog', 1024 * 1024),
    ...(fields['userspaceLog'] !== undefined && { userspaceLog: bytes(fields, 'userspaceLog', 256 * 1024) }),
  }
}

/** From a machine without a vTPM: that it is up, with this boot's nonce. @throws ServiceError 400 InvalidBootReport */
export function parseReportWithoutTpm(body: unknown): Uint8Array {
  if (typeof body !== 'object' || body === null) throw invalid('body', 'a JSON object')
  const fields = body as Record<string, unknown>
  if (fields['vtpm'] !== 'none') throw invalid('vtpm', '"none"')
  return bytes(fields, 'nonce', 64)
}

/** The guest's name for this boot, which nothing here depends on; absent from earlier images. @throws ServiceError 400 InvalidBootReport */
export function parseBootNumber(body: unknown): string | undefined {
  const { boot } = (body ?? {}) as Record<string, unknown>
  if (boot === undefined) return undefined
  if (typeof boot === 'string' && digits.test(boot)) return boot
  throw invalid('boot', '32 hexadecimal digits')
}

function parseRegisters(value: unknown): Map<number, Uint8Array> {
  if (typeof value !== 'object' || value === null) throw invalid('pcrs', 'an object of registers')
  const registers = new Map<number, Uint8Array>()
  for (const [index, text] of Object.entries(value)) {
    if (!/^(0|1?[0-9]|2[0-3])$/.test(index) || typeof text !== 'string' || !digest.test(text)) {
      throw invalid(`pcrs.${index.slice(0, 10)}`, '64 hexadecimal digits for a register from 0 to 23')
    }
    registers.set(Number(index), Buffer.from(text, 'hex'))
  }
  return registers
}

function bytes(fields: Record<string, unknown>, name: string, limit: number): Uint8Array {
  const text = fields[name]
  if (typeof text !== 'string' || !base64url.test(text) || text.length > limit * 1.4)
    throw invalid(name, `base64url of at most ${limit} bytes`)
  return Buffer.from(text, 'base64url')
}

function invalid(target: string, expected: string): ServiceError {
  return new ServiceError({
    code: 'InvalidBootReport',
    message: `The boot report's ${target} is malformed.`,
    target,
    expected,
  })
}
