import { nothingSaid } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'

/**
 * POST /restart of the owner's socket: the program that started this server starts another in its place, on the same
 * listening sockets.
 * @param restart absent if that program does not do so
 */
export function restartRoute(restart: (() => void) | undefined): (body: unknown) => Promise<{ pid: number }> {
  return async (body) => {
    read(nothingSaid, body, { code: 'InvalidRequestContent', subject: 'The request' })
    if (restart === undefined) throw notHandedOver()
    // After the answer.
    setImmediate(restart)
    return await Promise.resolve({ pid: process.ppid })
  }
}

const notHandedOver = (): ServiceError =>
  new ServiceError({
    code: 'RestartNotOffered',
    message: 'Nothing takes over the ports of this server while it restarts.',
    expected: 'a server started by `strongroom up`',
    found: 'one started by another program',
    remedy:
      'Restart it with the program that runs it, for example `systemctl restart strongroom`: clients are refused for some seconds.',
  })
