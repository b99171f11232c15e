import { ServiceError } from '../../errors/errors.ts'

const invalid = (found: string): ServiceError =>
  // The URL may contain a password, so it is not repeated.
  new ServiceError({
    code: 'InvalidStoreUrl',
    message: 'The store URL names a PostgreSQL server that cannot be found.',
    expected: 'postgres://user@host[:port][,host[:port]…]/database[?target_session_attrs=read-write]',
    found,
    remedy: 'Correct the file passed as --store-url-file.',
  })

/**
 * libpq's URL of several servers (PostgreSQL's documentation, 34.1.1.2 Connection URIs), one of which is the primary.
 * @returns one URL for each server, in the given order; the rest of the URL is the same in each
 * @throws ServiceError InvalidStoreUrl
 */
export function postgresAddresses(url: string): string[] {
  const parts = /^(postgres(?:ql)?:\/\/)((?:[^/?#]*@)?)([^/?#@]*)([^#]*)$/.exec(url)
  if (parts === null) throw invalid('another form')
  const [, scheme = '', user = '', hosts = '', rest = ''] = parts
  const at = rest.indexOf('?')
  const path = at < 0 ? rest : rest.slice(0, at)
  const parameters = at < 0 ? [] : rest.slice(at + 1).split('&')
  const wanted = parameters.find((each) => each.startsWith('target_session_attrs='))
  if (wanted !== undefined && !['read-write', 'primary'].includes(wanted.slice(wanted.indexOf('=') + 1)))
    throw invalid('target_session_attrs with a value other than read-write or primary')
  const kept = parameters.filter((each) => each !== wanted).join('&')
  const each = hosts.split(',')
  if (each.length > 1 && each.includes('')) throw invalid('an empty server name')
  if (new Set(each).size < each.length) throw invalid('the same server twice')
  return each.map((host) => `${scheme}${user}${host}${path}${kept === '' ? '' : `?${kept}`}`)
}
