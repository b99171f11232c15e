import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CephDisk } from '@strongroom/contract'
import { hasLandlock, ServiceError, startProgram, type OwnedProcess, giveTo } from '@strongroom/platform'
import { makeRuntime, type Runtime } from '../../records/layout.ts'
import { Qmp } from '../../qemu/qmp.ts'

/** How long writes may take to reach the cluster once the guest is off, in milliseconds. */
const flushMs = 10_000
const connectSeconds = 30

/**
 * A VM's disk in Ceph, behind a socket for its QEMU: a qemu-storage-daemon has connection and key, as a user of its own.
 * QEMU, which handles the guest's bytes, has neither, and no network.
 */
export class CephDoor {
  readonly #daemon: OwnedProcess
  readonly #runtime: Runtime
  readonly #control: Qmp
  /** NBD, with the export that it was opened for. */
  readonly socket: string

  private constructor(o: { daemon: OwnedProcess; runtime: Runtime; control: Qmp; socket: string }) {
    this.#daemon = o.daemon
    this.#runtime = o.runtime
    this.#control = o.control
    this.socket = o.socket
  }

  /** @param o.user of QEMU; absent if this process may not start programs as another one. @throws ServiceError StorageUnavailable */
  static async open(o: {
    vmId: string
    disk: CephDisk
    user: number | undefined
    name: 'os' | 'data'
  }): Promise<CephDoor> {
    const runtime = await makeRuntime(o.vmId)
    const directory = join(runtime.runtimeDir, 'disk')
    const configuration = join(runtime.runtimeDir, 'ceph.conf')
    // QEMU's user reaches the socket through both directories, and lists neither.
    await chmod(runtime.runtimeDir, 0o711)
    await mkdir(directory)
    await chmod(directory, 0o711)
    await giveTo(directory, runtime.user)
    await writeFile(configuration, configurationOf(o.disk), { mode: 0o644 })
    const daemon = startDaemon({ runtime, directory, configuration })
    const socket = join(directory, 'nbd')
    try {
      const control = await Qmp.begin({ socket: daemon.child.stdio[3] as Socket, listener: () => {} })
      await serve(control, { ...o.disk, name: o.name, configuration, socket })
      await chmod(socket, 0o600)
      await giveTo(socket, o.user)
      return new CephDoor({ daemon, runtime, control, socket })
    } catch (error) {
      await end({ daemon, runtime })
      throw notOpened(error as Error)
    }
  }

  /** What the guest has written reaches the cluster first, if it answers. */
  async close(): Promise<void> {
    this.#control.execute('quit').catch(() => {})
    await Promise.race([this.#daemon.exited, sleep(flushMs, undefined, { ref: false })])
    await end({ daemon: this.#daemon, runtime: this.#runtime })
  }

  /** At once. */
  kill(): void {
    this.#daemon.kill('SIGKILL')
  }
}

const startDaemon = (o: { runtime: Runtime; directory: string; configuration: string }): OwnedProcess =>
  startProgram({
    command: 'qemu-storage-daemon',
    args: ['--chardev', 'socket,id=control,fd=3', '--monitor', 'chardev=control,mode=control'],
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    confinement: {
      ...(o.runtime.user !== undefined && { user: o.runtime.user }),
      ...(hasLandlock() && { opens: { read: [o.configuration, ...resolverFiles], write: [o.directory] } }),
    },
    newSession: true,
    dieWithParent: true,
  })

/** By these the monitors' names become addresses. */
const resolverFiles = ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/host.conf', '/etc/gai.conf']

/** On the control channel, the key is in no argument and no file. */
async function serve(
  control: Qmp,
  o: CephDisk & { name: string; configuration: string; socket: string },
): Promise<void> {
  await control.execute('object-add', { 'qom-type': 'secret', id: 'key', data: o.key, format: 'base64' })
  await control.execute('blockdev-add', {
    driver: 'rbd',
    'node-name': 'disk',
    conf: o.configuration,
    pool: o.pool,
    namespace: o.namespace,
    image: o.image,
    user: o.user,
    'key-secret': 'key',
    discard: 'unmap',
    // A connection that was shut out would confirm writes and flushes that its cache has lost (librbd 18).
    cache: { direct: true },
  })
  await control.execute('nbd-server-start', { addr: { type: 'unix', data: { path: o.socket } } })
  const { name } = o
  await control.execute('block-export-add', { type: 'nbd', id: name, 'node-name': 'disk', name, writable: true })
}

/** Without the key. */
const configurationOf = ({ monitors }: CephDisk): string =>
  [
    '[global]',
    `mon_host = ${monitors}`,
    'auth_client_required = cephx',
    `client_mount_timeout = ${connectSeconds}`,
    'admin_socket =',
    'log_file =',
    '',
  ].join('\n')

async function end(o: { daemon: OwnedProcess; runtime: Runtime }): Promise<void> {
  o.daemon.kill('SIGKILL')
  await o.daemon.exited
  await rm(o.runtime.runtimeDir, { recursive: true, force: true })
}

const notOpened = (cause: Error): ServiceError =>
  new ServiceError({
    code: 'StorageUnavailable',
    message: 'This host cannot open the virtual machine’s disk in Ceph.',
    expected: 'a monitor that answers this host, and Debian’s qemu-block-extra',
    found: cause.message.slice(0, 500),
    remedy: 'Check that this host reaches the cluster’s monitors and storage daemons.',
    cause,
  })
