import { chmodSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { visibleText } from '@strongroom/contract'
import { pino } from 'pino'

export type Logger = pino.Logger

const secretNames: ReadonlySet<string> = new Set([
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
])

const depthLimit = 8

/**
 * A deep copy without the values of members named like secrets. pino's own redaction needs lists of paths and a tenth
 * of the server's time.
 */
function redacted(value: unknown, depth: number = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) return redacted(pino.stdSerializers.err(value), depth)
  if (depth > depthLimit) return '[too deep]'
  if (Array.isArray(value)) return value.map((item) => redacted(item, depth + 1))
  if ('toJSON' in value && typeof value.toJSON === 'function') return value
  const copy: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value))
    copy[name] = secretNames.has(name) && member !== undefined ? '[redacted]' : redacted(member, depth + 1)
  return copy
}

const redactedLine = (line: Record<string, unknown>): Record<string, unknown> =>
  redacted(line) as Record<string, unknown>

/** A log file is rotated to `{file}.1` at this size, so at most two of them exist. */
const fileLimit = 32 * 1024 * 1024

/** Readers of a log see what is in its lines: JSON leaves C1 and direction marks. */
const shownIn = (destination: pino.DestinationStream): pino.DestinationStream => ({
  write: (line) => destination.write(visibleText(line, '\n')),
})

/** JSON lines on standard output, or in `file` (0600). Fields named like secrets are replaced by `[redacted]`. */
export function createLogger(o: { level: string; file?: string; fileLimit?: number }): Logger {
  const options: pino.LoggerOptions = {
    level: o.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { log: redactedLine },
  }
  const destination = o.file === undefined ? pino.destination(1) : openLogFile(o.file, o.fileLimit ?? fileLimit)
  const logger = pino(options, shownIn(destination))
  // pino applies formatters to lines, but not to a child logger's bindings. Children inherit this from their parent.
  const makeChild: unknown = Reflect.get(logger, 'child')
  logger.child = function childOf(this: unknown, bindings: pino.Bindings, settings?: pino.ChildLoggerOptions) {
    return Reflect.apply(makeChild as () => Logger, this, [redactedLine(bindings), settings])
  } as typeof logger.child
  return logger
}

function openLogFile(file: string, limit: number): pino.DestinationStream {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const existing = statSync(file, { throwIfNoEntry: false })
  // An existing file may have been created under another umask.
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
        // The file stays in use, and is retried after as many lines.
      }
    },
  }
}
