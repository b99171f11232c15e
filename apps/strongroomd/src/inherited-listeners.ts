import { ServiceError, type Listeners } from '@strongroom/platform'

/** `TLS,LOCAL`: numbers of open files. @throws ServiceError InvalidArgument */
export function readInheritedListeners(text: string | undefined): Listeners | undefined {
  if (text === undefined) return undefined
  const [, tls, local] = /^(\d{1,4}),(\d{1,4})$/.exec(text) ?? []
  if (tls !== undefined && local !== undefined && tls !== local) return { tls: Number(tls), local: Number(local) }
  throw new ServiceError({
    code: 'InvalidArgument',
    message: 'The inherited listeners are malformed.',
    target: '--inherited-listeners',
    expected: 'two numbers of open files: TLS,LOCAL',
    found: text,
    remedy: 'Start the server with `strongroom up`.',
  })
}
