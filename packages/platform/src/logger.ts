import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { pino } from 'pino'

export type Logger = pino.Logger

const secretNames = [
  'authorization',
  'Authorization',
  'secret',
  'client_secret',
  'clientSecret',
  'password',
  'adminPassword',
  'key',
  'privateKey',
  'masterKey',
  'token',
  'access_token',
  'refresh_token',
  'client_assertion',
]

/** pino matches whole paths only, so each name is listed at each depth at which objects are logged. */
const redact = ['', '*.', '*.*.', '*.*.*.'].flatMap((prefix) => secretNames.map((name) => `${prefix}${name}`))

/** JSON lines on standard output, or in `file` (0600). Fields that are named like secrets are replaced by `[redacted]`. */
export function createLogger(o: { level: string; file?: string }): Logger {
  const options: pino.LoggerOptions = {
    level: o.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: redact, censor: '[redacted]' },
  }
  if (o.file === undefined) return pino(options)
  mkdirSync(dirname(o.file), { recursive: true, mode: 0o700 })
  // An existing file may have been made under another umask.
  if (existsSync(o.file)) chmodSync(o.file, 0o600)
  return pino(options, pino.destination({ dest: o.file, sync: true, mode: 0o600 }))
}
