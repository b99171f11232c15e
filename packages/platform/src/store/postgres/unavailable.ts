import { ServiceError } from '../../errors/errors.ts'

/**
 * SQLSTATE of a server that ends, starts or is a standby, or that ended a session which was idle in a transaction (PostgreSQL's
 * documentation, appendix A: classes 08, 57P, 25006 and 25P03), and the system's errors for an unreachable peer.
 */
const states = /^(?:08...|57P0[1-3]|25006|25P03)$/
const systemErrors =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|E(?:HOST|NET)UNREACH|EHOSTDOWN|EAI_AGAIN|ENOTFOUND|ENOENT)$/
/** pg gives these no code. */
const texts =
  /^(?:Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error)/

/** Whether an error of pg means that there is no reachable primary, rather than a wrong statement. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? states.test(code) || systemErrors.test(code) : texts.test(error.message)
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
