import { ServiceError } from '../../errors/errors.ts'

const restore =
  'Restore the database from a backup made before the change: stop the server, put the files back, start it again.'

/** A row that this installation did not write in this form. */
export const rowAltered = (service: string, table: string, key: Record<string, unknown>): ServiceError =>
  new ServiceError({
    code: 'RowAltered',
    message: `A row of the database of ${service} was altered outside this server: table ${table}, ${nameKey(key)}.`,
    target: table,
    expected: 'a row with the authentication code that this installation wrote',
    found: 'columns that do not match the row’s authentication code',
    remedy: restore,
  })

/** Rows are missing, outdated, or not this installation's. */
export const storeAltered = (
  service: string,
  what: { target: string; expected: string; found: string },
): ServiceError =>
  new ServiceError({
    code: 'StoreAltered',
    message: `The database of ${service} is not in the state this server last wrote: ${what.target}.`,
    ...what,
    remedy: restore,
  })

/** A database with rows and without a seal: written by an earlier version, or the seal was removed. */
export const storeUnbound = (service: string): ServiceError =>
  new ServiceError({
    code: 'StoreUnbound',
    message: `The rows of the database of ${service} carry no authentication codes, so it is unknown who wrote them.`,
    expected: 'a sealed database',
    found: 'rows and no seal',
    remedy:
      'If an earlier Strongroom created this installation, start it once with STRONGROOM_BIND_ROWS=1, which trusts the rows ' +
      'as they are. If this version already ran on it, somebody removed the seal: restore the database from a backup.',
  })

const nameKey = (key: Record<string, unknown>): string =>
  Object.entries(key)
    .map(([column, value]) => `${column} '${String(value)}'`)
    .join(', ')
