import { chmodSync, mkdirSync, renameSync, statSync } from 'node:fs'
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

/** A log file is put aside as `{file}.1` at this size, so that two of them are all that is ever kept. */
const fileLimit = 32 * 1024 * 1024

/** JSON lines on standard output, or in `file` (0600). Fields that are named like secrets are replaced by `[redacted]`. */
export function createLogger(o: { level: string; file?: string; fileLimit?: number }): Logger {
  const options: pino.LoggerOptions = {
    level: o.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: redact, censor: '[redacted]' },
  }
  if (o.file === undefined) return pino(options)
  return pino(options, openLogFile(o.file, o.fileLimit ?? fileLimit))
}

function openLogFile(file: string, limit: number): pino.DestinationStream {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const existing = statSync(file, { throwIfNoEntry: false })
  // An existing file may have been made under another umask.
  if (existing?.isFile()) chmodSync(file, 0o600)
  let size = existing?.isFile() ? existing.size : 0
  const destination = pino.destination({ dest: file, sync: true, mode: 0o600, maxLength: 1024 * 1024 })
  // A full disk must not end the server; the lines are lost.
  destination.on('error', () => {})
  return {
    write: (line) => {
      destination.write(line)
      size += Buffer.byteLength(line)
      if (size < limit) return
      size = 0
      try {
        renameSync(file, `${file}.1`)
        destination.reopen()
      } catch {
        // The file stays in use, and is tried again after as many lines.
      }
    },
  }
}
