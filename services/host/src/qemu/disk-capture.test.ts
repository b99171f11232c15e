import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OwnedProcess, freshUser } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeEmpty } from '../disks/sparse.ts'
import { controlArguments } from './descriptors.ts'
import { DiskCapture, type CapturedDisk } from './disk-capture.ts'
import { launchQemu } from './launch.ts'
import { Qmp } from './qmp.ts'

const mebibyte = 2 ** 20
const size = 16 * mebibyte
let directory: string
let qemu: OwnedProcess
let qmp: Qmp
let capture: DiskCapture

/** A QEMU with two disks and nobody in it: what a guest would write, its monitor writes. */
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-capture-'))
  for (const name of ['os', 'data-1']) await makeEmpty(join(directory, name), size)
  qemu = await launchQemu({
    user: freshUser(),
    log: 'pipe',
    args: async (files) => {
      const disk = async (name: string): Promise<string[]> => [
        '-blockdev',
        `driver=file,node-name=${name}-file,filename=${await files.hand(join(directory, name), 'r+')}`,
        '-blockdev',
        `driver=raw,node-name=${name},file=${name}-file`,
      ]
      return [
        '-nodefaults',
        '-no-user-config',
        '-display',
        'none',
        '-machine',
        'none',
        ...(await disk('os')),
        ...(await disk('data-1')),
        ...controlArguments,
      ]
    },
  })
  capture = new DiskCapture(() => qmp)
  qmp = await Qmp.begin({ socket: qemu.child.stdio[3] as Socket, listener: (event) => capture.hear(event) })
})

afterEach(async () => {
  qmp.close()
  qemu.kill('SIGKILL')
  await qemu.exited
  await rm(directory, { recursive: true })
})

const write = async (node: string, byte: number, at: number, length = 4096): Promise<void> => {
  const command = `qemu-io ${node} "write -P ${byte} ${at} ${length}"`
  expect(String(await qmp.execute('human-monitor-command', { 'command-line': command }))).not.toMatch(/fail|error/i)
}
const copyOf = (node: string): string => join(directory, `${node}.raw`)
const disks: () => CapturedDisk[] = () =>
  ['os', 'data-1'].map((node) => ({ node, file: join(directory, node), path: copyOf(node) }))
const run = async (
  atMoment: () => Promise<void> = async () => {},
  signal = new AbortController().signal,
): ReturnType<DiskCapture['run']> => await capture.run(disks(), { atMoment, signal })
const byteOf = async (node: string, at: number): Promise<number | undefined> => (await readFile(copyOf(node)))[at]

describe('disks of a QEMU that runs', () => {
  it('are copied as all of them were at one moment, whatever is written while that goes on', async () => {
    await write('os', 1, 0)
    await write('data-1', 1, 8 * mebibyte)
    const states: unknown[] = []
    const { incremental } = await run(async () => {
      states.push(((await qmp.execute('query-status')) as { running: boolean }).running)
      // After that moment: in neither copy.
      await write('os', 2, 0)
      await write('data-1', 2, 8 * mebibyte)
    })
    expect([incremental, states]).toEqual([false, [false]])
    expect([await byteOf('os', 0), await byteOf('data-1', 8 * mebibyte), await byteOf('os', mebibyte)]).toEqual([
      1, 1, 0,
    ])
    expect(((await qmp.execute('query-status')) as { running: boolean }).running).toBe(true)
    // Zeros take no room.
    expect((await stat(copyOf('os'))).blocks * 512).toBeLessThan(mebibyte)
  })

  it('are brought up to date with what was written since, and with nothing else', async () => {
    await write('os', 1, 0)
    expect((await run()).incremental).toBe(false)
    await write('os', 2, 4 * mebibyte)
    await write('data-1', 3, 0)
    const second = await run(async () => await write('os', 9, 6 * mebibyte))
    expect(second.incremental).toBe(true)
    expect(second.copiedBytes).toBe(2 * 65_536)
    expect([await byteOf('os', 0), await byteOf('os', 4 * mebibyte), await byteOf('data-1', 0)]).toEqual([1, 2, 3])
    expect(await byteOf('os', 6 * mebibyte)).toBe(0)
    expect((await run()).copiedBytes).toBe(65_536)
    expect(await byteOf('os', 6 * mebibyte)).toBe(9)
  })

  it('are copied whole again where the copy is gone, a disk was resized, or a copy was cut short', async () => {
    await write('os', 1, 0)
    await run()
    await rm(copyOf('os'))
    expect((await run()).incremental).toBe(false)
    capture.forget('data-1', { gone: false })
    expect((await run()).incremental).toBe(false)
    await write('os', 5, 0)
    await expect(run(async () => await Promise.reject(new Error('nothing captured')))).rejects.toThrow(
      'nothing captured',
    )
    const after = await run()
    expect([after.incremental, await byteOf('os', 0)]).toEqual([false, 5])
  })

  it('are left alone where the VM is to stop, with nothing of the copying in QEMU', async () => {
    const stop = new AbortController()
    await expect(run(async () => stop.abort(), stop.signal)).rejects.toThrow()
    const nodes = (await qmp.execute('query-named-block-nodes', { flat: true })) as { 'node-name': string }[]
    expect(nodes.map((node) => node['node-name']).filter((name) => name.startsWith('backup'))).toEqual([])
    expect(await qmp.execute('query-block-jobs')).toEqual([])
    expect((await run()).incremental).toBe(false)
  })

  it('fail with QEMU', async () => {
    await expect(run(async () => void qemu.kill('SIGKILL'))).rejects.toThrow()
  })
})
