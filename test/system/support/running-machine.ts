import { once } from 'node:events'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '@strongroom/platform'
import { partitionTypes, writeTable } from '../../../apps/cli/src/drill/host/partitions.ts'
import { Qmp } from '../../../services/host/src/qemu/qmp.ts'

export async function connected(path: string): Promise<Socket> {
  const socket = connect(path)
  await once(socket, 'connect')
  return socket
}

/** What a host can do to a machine whose monitor and serial line it holds. */
export class RunningMachine {
  readonly #line: Socket
  readonly #monitor: Socket
  #qmp: Qmp | undefined

  /** @param line a QEMU socket with `telnet=on` */
  constructor(monitor: Socket, line: Socket) {
    this.#monitor = monitor
    this.#line = line
    line.on('data', () => {})
  }

  /** Presses keys of the machine's own keyboard together, by QEMU's names. */
  async press(...keys: string[]): Promise<void> {
    await this.#execute('send-key', { keys: keys.map((data) => ({ type: 'qcode', data })) })
    await sleep(1000)
  }

  /** A break on the serial line, then a letter: the kernel's magic system request (Documentation/admin-guide/sysrq.rst). */
  async breakThen(letter: string): Promise<void> {
    // RFC 854: IAC BRK.
    this.#line.write(Buffer.of(0xff, 0xf3))
    await sleep(500)
    this.#line.write(letter)
    await sleep(500)
  }

  /** Plugs in a disk behind the controller of data disks. */
  async plug(file: string, lun: number): Promise<void> {
    await this.#execute('blockdev-add', {
      driver: 'raw',
      'node-name': 'host',
      file: { driver: 'file', filename: file },
    })
    await this.#execute('device_add', {
      driver: 'scsi-hd',
      id: 'host',
      bus: 'scsi.0',
      channel: 0,
      'scsi-id': 0,
      lun,
      drive: 'host',
    })
  }

  close(): void {
    this.#line.destroy()
    this.#monitor.destroy()
  }

  async #execute(command: string, args: Record<string, unknown>): Promise<void> {
    this.#qmp ??= await Qmp.begin({ socket: this.#monitor, listener: () => {} })
    await this.#qmp.execute(command, args)
  }
}

const mebibyte = 1024 ** 2

/** A disk with one partition for each type that systemd would mount, swap on or use as the root. */
export async function diskOfDiscoverableTypes(path: string): Promise<string> {
  const types = ['swap', 'home', 'srv', 'root'] as const
  const bytes = 16 * mebibyte
  const parts = types.map((name, index) => ({
    type: partitionTypes[name],
    uuid: '',
    name,
    offset: mebibyte + index * bytes,
    sizeBytes: bytes,
  }))
  await writeFile(path, Buffer.alloc(2 * mebibyte + types.length * bytes))
  const disk = await open(path, 'r+')
  try {
    for (const { name, offset } of parts) {
      const part = `${path}-${name}`
      await writeFile(part, Buffer.alloc(bytes))
      const make = name === 'swap' ? ['mkswap', '-q', part] : ['mke2fs', '-q', '-t', 'ext4', '-L', name, part]
      await run({ command: make[0]!, args: make.slice(1) })
      await disk.write(await readFile(part), 0, bytes, offset)
      await rm(part)
    }
  } finally {
    await disk.close()
  }
  await writeTable(path, parts)
  return path
}
