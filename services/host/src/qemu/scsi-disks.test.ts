import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, copyFile, mkdtemp, readdir, readFile, readlink, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guestFirmwarePath } from '@strongroom/contract'
import { freePort, candidateUser } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MachineOptions } from './arguments.ts'
import { scsiArguments } from './scsi-disks.ts'
import { VmProcess } from './vm-process.ts'

const ovmf = '/usr/share/OVMF'
const present = existsSync('/usr/bin/qemu-system-x86_64') && existsSync(guestFirmwarePath)

describe('arguments of data disks', () => {
  it('name the disk’s place by its LUN, and let no file name open an option of its own', () => {
    const all = scsiArguments({ dataDisks: [{ lun: 7, path: '/d,readonly=on', serial: 'a,b' }] }).join(' ')
    expect(all).toContain('scsi-id=0,lun=7,drive=data-7,serial=a,,b,device_id=a,,b')
    expect(all).toContain('filename=/d,,readonly=on,discard=unmap')
  })

  it('name a network disk by its socket, which is no file of QEMU’s', () => {
    const all = scsiArguments({ dataDisks: [{ lun: 2, path: '/run/a,b', nbd: true, serial: 'a' }] }).join(' ')
    expect(all).toContain('driver=nbd,server.type=unix,server.path=/run/a,,b,export=data,')
    expect(all).not.toContain('driver=file')
  })

  it('put no disk where the firmware looks for one to boot', () => {
    const dataDisks = [0, 1, 2].map((lun) => ({ lun, path: `/d${lun}`, serial: String(lun) }))
    expect(scsiArguments({ dataDisks, temporaryDisk: '/t' }).join(' ')).not.toContain('bootindex')
  })
})

/** A QEMU in its firmware, without a guest: disks can still come and go. */
describe.skipIf(!present)('a running QEMU', () => {
  /** As a VM's user, if this process may use one: files and folder belong to this process only. */
  const user = process.geteuid?.() === 0 ? candidateUser('F6EDBA93-B1EC-4F77-91E4-027F8E5E0333') : undefined
  let folder: string
  const running: VmProcess[] = []
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'A-scsi-'))))
  afterEach(async () => {
    for (const vm of running.splice(0)) await vm.kill()
    await rm(folder, { recursive: true, force: true })
  })

  const file = async (name: string, mebibytes: number): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, '')
    await truncate(path, mebibytes * 2 ** 20)
    return path
  }
  const start = async (name: string, more: Partial<MachineOptions> = {}): Promise<VmProcess> => {
    const at = (each: string): string => join(folder, `${name}-${each}`)
    await copyFile(`${ovmf}/OVMF_VARS_4M.fd`, at('vars'))
    const network = {
      macAddress: '02-53-52-19-EF-25',
      sshPort: await freePort(),
      doors: { metadata: at('m'), time: at('c'), proxy: at('p'), services: at('s'), web: at('w'), names: at('n') },
    }
    const machine: MachineOptions = {
      name,
      vmId: 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333',
      acceleration: 'tcg',
      cpuModel: 'max',
      vCPUs: 1,
      memoryMiB: 128,
      firmware: guestFirmwarePath,
      variables: at('vars'),
      disk: await file(`${name}-os`, 1),
      dataDisks: [],
      serialLog: at('serial'),
      network,
      ...more,
    }
    const vm = await VmProcess.start({ machine, errorLog: at('log'), user })
    running.push(vm)
    return vm
  }
  const opened = async ({ process: { pid } }: VmProcess): Promise<string> => {
    const names = await readdir(`/proc/${pid}/fd`)
    return (await Promise.all(names.map(async (fd) => await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))).join(
      '\n',
    )
  }

  it('is given a disk and has it taken away, with its file closed, and can be given it again', async () => {
    const vm = await start('a', { temporaryDisk: await file('temporary', 1) })
    const disk = { lun: 3, path: await file('data', 4), serial: '5A1E0000-0000-4000-8000-0000000D15C0' }
    for (let time = 0; time < 2; time++) {
      await vm.plug(disk)
      expect(await opened(vm)).toContain(disk.path)
      await vm.resize(3, (8 + time) * 2 ** 20)
      expect((await stat(disk.path)).size).toBe((8 + time) * 2 ** 20)
      await vm.unplug(3)
      expect(await opened(vm)).not.toContain(disk.path)
    }
  })

  it('is given a network disk and has it taken away, which nobody has open then, and can be given it again', async () => {
    const [path, socket] = [await file('stored', 4), join(folder, 'nbd')]
    const server = spawn('qemu-storage-daemon', [
      '--blockdev',
      `driver=file,node-name=disk,filename=${path}`,
      '--nbd-server',
      `addr.type=unix,addr.path=${socket}`,
      '--export',
      'type=nbd,id=data,node-name=disk,name=data,writable=on',
    ])
    try {
      await expect.poll(() => existsSync(socket)).toBe(true)
      // Where its user may connect, as in a VM's memory-backed directory.
      if (user !== undefined) for (const each of [folder, socket]) await chown(each, user, user)
      const vm = await start('a')
      const connections = async (): Promise<number> =>
        (await readFile('/proc/net/unix', 'utf8')).split('\n').filter((line) => line.endsWith(socket)).length
      const before = await connections()
      const disk = { lun: 3, path: socket, nbd: true, serial: '5A1E0000-0000-4000-8000-0000000D15C0' } as const
      for (let time = 0; time < 2; time++) {
        await vm.plug(disk)
        expect(await connections()).toBeGreaterThan(before)
        await vm.unplug(3)
        await expect.poll(connections).toBe(before)
      }
    } finally {
      server.kill('SIGKILL')
    }
  })

  it('has nothing of a disk that could not be plugged: another VM has it, or it is not there', async () => {
    const disk = { lun: 0, path: await file('data', 4), serial: '5A1E0000-0000-4000-8000-0000000D15C0' }
    const [first, second] = [await start('a', { dataDisks: [disk] }), await start('b')]
    await expect(second.plug(disk)).rejects.toThrow('lock')
    await expect(second.plug({ ...disk, path: join(folder, 'none') })).rejects.toThrow('no such file')
    await first.unplug(0)
    await second.plug(disk)
    expect(await opened(second)).toContain(disk.path)
  })
})
