import { linesOfText, type ErrorBody, type ErrorDetail, type ErrorCode } from '@strongroom/contract'

/** Exit codes by class of failure, so that scripts can distinguish them. */
export const exitCodes = {
  failed: 1,
  usage: 2,
  missingPrerequisite: 3,
  notFound: 4,
  notRunning: 5,
  notTrusted: 6,
  nothingToAccept: 7,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export interface CliErrorOptions {
  /** From the catalogue: its own, or a server's. */
  code: ErrorCode
  message: string
  exitCode?: ExitCode
  /** The property or rule at fault. */
  target?: string
  expected?: string
  found?: string
  remedy?: string
  details?: ErrorDetail[]
  cause?: unknown
}

/** A refusal or report of the CLI; with `--output json`, the same envelope as the services'. */
export class CliError extends Error {
  readonly code: ErrorCode
  readonly exitCode: ExitCode
  readonly detail: ErrorDetail

  constructor(options: CliErrorOptions) {
    super(options.message, { cause: options.cause })
    this.name = 'CliError'
    this.code = options.code
    this.exitCode = options.exitCode ?? exitCodes.failed
    const inner = {
      ...(options.expected === undefined ? {} : { expected: options.expected }),
      ...(options.found === undefined ? {} : { found: options.found }),
      ...(options.remedy === undefined ? {} : { remedy: options.remedy }),
    }
    this.detail = {
      code: options.code,
      message: options.message,
      ...(options.target === undefined ? {} : { target: options.target }),
      ...(options.details === undefined ? {} : { details: options.details }),
      ...(Object.keys(inner).length === 0 ? {} : { innererror: inner }),
    }
  }

  toBody(): ErrorBody {
    return { error: this.detail }
  }

  /** From a service's error. */
  static fromDetail(detail: ErrorDetail, status: number): CliError {
    return new CliError({
      ...detail.innererror,
      code: detail.code,
      message: detail.message,
      exitCode: status === 404 ? exitCodes.notFound : exitCodes.failed,
      ...(detail.target === undefined ? {} : { target: detail.target }),
      ...(detail.details === undefined ? {} : { details: detail.details }),
    })
  }
}

/** Further lines of a text are marked: none of them looks like one of ours. */
function marked(indent: string, text: string): string[] {
  const [first, ...more] = linesOfText(text)
  return [`${indent}${first}`, ...more.map((line) => `${indent}  | ${line}`)]
}

/** Lines for a person: what failed, expected and found, the remedy, and every detail. */
export function describeError(detail: ErrorDetail, indent = ''): string[] {
  const target = detail.target === undefined ? '' : ` (${detail.target})`
  const lines = marked(indent, `${detail.code}: ${detail.message}${target}`)
  const inner = detail.innererror
  const further = (label: string, text: string | undefined): void => {
    if (text !== undefined) lines.push(...marked(`${indent}  `, `${label}${text}`))
  }
  further('expected: ', inner?.expected)
  further('found:    ', inner?.found)
  further('remedy:   ', inner?.remedy)
  for (const each of detail.details ?? []) lines.push(...describeError(each, `${indent}  `))
  return lines
}
