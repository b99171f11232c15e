import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { fleetStream } from '@strongroom/contract/wires'
import { joinStreams, requireFittingStep, ServiceError, toErrorBody, type Logger } from '@strongroom/platform'
import type { CarriedVms } from './carried-vms.ts'
import type { FleetCompute } from '../fleet-compute.ts'
import { diskOf, type CarriedDisks } from './carried-disks.ts'
import { callerOf } from '../host-caller.ts'
import type { HomeHost } from './home-host.ts'
import type { SshDoors } from './ssh-doors.ts'
import type { HostRegistry } from '../registry.ts'

interface Parts {
  registry: HostRegistry
  compute: FleetCompute
  vms: CarriedVms
  disks: CarriedDisks
  home: HomeHost
  ssh: SshDoors
  logger: Logger
}

/** Takes over a connection from a host that requested a stream. */
export type HostStreams = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Serves the streams of `fleetWire`: to the host that carries the VM, at its present placement's epoch; images to any host. */
export function hostStreams(o: Parts): HostStreams {
  return (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    open(o, request).then(
      (opened) => join(socket, opened, head),
      (error: unknown) => {
        const { status, body } = toErrorBody(error)
        if (status >= 500) o.logger.warn({ err: error }, 'a stream of a host was not opened')
        const text = JSON.stringify(body)
        socket.end(
          `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\n` +
            `content-length: ${Buffer.byteLength(text)}\r\n` +
            `connection: close\r\n\r\n${text}`,
        )
      },
    )
  }
}

async function open(o: Parts, request: IncomingMessage): Promise<Duplex> {
  requireFittingStep(request.headers, 'The host')
  const { host } = await callerOf(o.registry, request)
  const [, kind, id = '', last = '', disk, ...more] = (request.url ?? '').split('/')
  const isStream = request.headers.upgrade === fleetStream && more.length === 0
  if (isStream && kind === 'disk') {
    const placed = { vmId: id, epoch: Number(last) }
    await o.compute.carried(host, placed)
    return await o.home.openDisk({ ...placed, which: async () => await diskOf(o, id, disk) })
  }
  if (isStream && disk === undefined) {
    if (kind === 'image') return await o.home.imageFile(id, last)
    if (kind === 'ssh') return o.ssh.take(host.id, id, last)
    if (kind === 'guest') {
      await o.compute.carried(host, { vmId: id, epoch: Number(last) })
      return o.home.installation(id)
    }
  }
  throw new ServiceError({ code: 'NotFound', message: 'There is no such stream here.' })
}

function join(socket: Duplex, opened: Duplex, head: Buffer): void {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${fleetStream}\r\n\r\n`)
  if (head.length > 0) opened.write(head)
  joinStreams(socket, opened)
}
