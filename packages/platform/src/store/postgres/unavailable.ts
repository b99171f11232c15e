import { ServiceError } from '../../errors.ts'

/**
 * SQLSTATE of a server that ends, starts or is a standby (PostgreSQL's documentation, appendix A: classes 08, 57P and
 * 25006), and the system's errors for an unreachable peer.
 */
const codes =
  /^(?:08...|57P0[1-3]|25006|ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|EAI_AGAIN|ENOTFOUND|ENOENT)$/
/** pg gives these no code. */
const texts =
  /^(?:Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error)/

/** Whether an error of pg means that there is no reachable primary, rather than a wrong statement. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? codes.test(code) : texts.test(error.message)
}

/** The statement may have been executed: only the database knows whether a commit succeeded when the connection broke. */
export const storeUnavailable = (cause?: unknown): ServiceError =>
  new ServiceError({
    code: 'StoreUnavailable',
    message:
      'The database does not answer, or is failing over to another server. It is not known whether the change was made.',
    remedy: 'Repeat the request.',
    headers: { 'retry-after': '3' },
    cause,
  })
