import { chmod, rm, stat } from 'node:fs/promises'
import { copySparse } from '../disks/sparse.ts'
import { fdSetPath } from './descriptors.ts'
import type { Qmp, QmpEvent } from './qmp.ts'

/** Sets of descriptors of the copies, behind those of data disks. */
const firstSet = 300
/** For each copied disk: the guest's writes since. It exists as long as this QEMU. */
const bitmap = 'strongroom-backup'
const granularity = 65_536

/** A guest's disk, and the file that its copy is written to. */
export interface CapturedDisk {
  /** Name of the block node. */
  node: string
  /** File of this machine that it is, raw. */
  file: string
  path: string
}

interface JobEnd {
  bytes: number
  error?: string
}

/**
 * Copies disks of a running guest as they all were at one moment. Of each disk a dirty bitmap begins, then its file is copied while the
 * guest writes on; QEMU's backup jobs then bring what the bitmaps have, begun in one transaction, and keep what the guest is about to
 * overwrite. From then on the bitmap has what a later copy into the same file has to bring: it needs the jobs alone.
 * Bitmaps are not in the images, which are raw: a QEMU that ended takes them with it, and the next copy begins with the file.
 */
export class DiskCapture {
  readonly #qmp: () => Qmp
  readonly #jobs = new Map<string, (end: JobEnd) => void>()
  /** Files that hold a disk as it was when its bitmap began, by node. */
  readonly #copies = new Map<string, string>()
  readonly #bitmaps = new Set<string>()

  constructor(qmp: () => Qmp) {
    this.#qmp = qmp
  }

  hear({ event, data }: QmpEvent): void {
    if (event !== 'BLOCK_JOB_COMPLETED' && event !== 'BLOCK_JOB_CANCELLED') return
    const { device, error, len } = data ?? {}
    const failed = event === 'BLOCK_JOB_CANCELLED' ? 'cancelled' : error
    this.#jobs.get(String(device))?.({
      bytes: Number(len),
      ...(failed !== undefined && { error: JSON.stringify(failed) }),
    })
  }

  /** The disk changed in another way than by the guest's writes. @param o.gone with everything that QEMU knew about it */
  forget(node: string, o: { gone: boolean }): void {
    this.#copies.delete(node)
    if (o.gone) this.#bitmaps.delete(node)
  }

  /**
   * The guest stands still from the moment that the copies are of until `atMoment` is done: some milliseconds.
   * @param o.atMoment captures what belongs to the disks
   * @param o.signal ends the copying; nothing is left of it
   * @returns how much the jobs copied, and whether the file was not copied before
   * @throws Error
   */
  async run(
    disks: CapturedDisk[],
    o: { atMoment(): Promise<void>; signal: AbortSignal },
  ): Promise<{ copiedBytes: number; incremental: boolean }> {
    const incremental = (await Promise.all(disks.map(async (disk) => await this.#hasCopy(disk)))).every(Boolean)
    // An interrupted copy is not consistent: until everything is copied, there is none.
    for (const { node } of disks) this.#copies.delete(node)
    const added: number[] = []
    try {
      for (const disk of incremental ? [] : disks) await this.#copyFile(disk, o.signal)
      for (const [index, disk] of disks.entries()) {
        added.push(index)
        await this.#addTarget(disk, index)
      }
      const copiedBytes = await this.#copyChanges(disks, o)
      for (const { node, path } of disks) this.#copies.set(node, path)
      return { copiedBytes, incremental }
    } finally {
      for (const index of added) await this.#removeTarget(disks[index]!.node, index)
    }
  }

  async #hasCopy({ node, file, path }: CapturedDisk): Promise<boolean> {
    const found = await stat(path).catch(() => undefined)
    return this.#copies.get(node) === path && found?.size === (await stat(file)).size
  }

  /** Not consistent yet: what is written meanwhile is in the bitmap, and so is a write in progress once it ends. */
  async #copyFile({ node, file, path }: CapturedDisk, signal: AbortSignal): Promise<void> {
    const marks = { node, name: bitmap }
    if (this.#bitmaps.has(node)) await this.#qmp().execute('block-dirty-bitmap-clear', marks)
    else await this.#qmp().execute('block-dirty-bitmap-add', { ...marks, granularity })
    this.#bitmaps.add(node)
    await rm(path, { force: true })
    await copySparse(file, path, signal)
    await chmod(path, 0o600)
  }

  async #addTarget({ node, path }: CapturedDisk, index: number): Promise<void> {
    const qmp = this.#qmp()
    await qmp.handFile(path, firstSet + index)
    const file = `backup-${node}-file`
    await qmp.execute('blockdev-add', {
      driver: 'file',
      'node-name': file,
      filename: fdSetPath(firstSet + index),
      discard: 'unmap',
    })
    await qmp.execute('blockdev-add', {
      driver: 'raw',
      'node-name': `backup-${node}`,
      file,
      discard: 'unmap',
      'detect-zeroes': 'unmap',
    })
  }

  async #removeTarget(node: string, index: number): Promise<void> {
    const qmp = this.#qmp()
    for (const name of [`backup-${node}`, `backup-${node}-file`])
      await qmp.execute('blockdev-del', { 'node-name': name }).catch(() => {})
    await qmp.execute('remove-fd', { 'fdset-id': firstSet + index }).catch(() => {})
  }

  async #copyChanges(disks: CapturedDisk[], o: { atMoment(): Promise<void>; signal: AbortSignal }): Promise<number> {
    const qmp = this.#qmp()
    const ends = disks.map(async ({ node }) => await new Promise<JobEnd>((end) => this.#jobs.set(jobOf(node), end)))
    const cancel = (): void => {
      for (const { node } of disks)
        void qmp.execute('block-job-cancel', { device: jobOf(node), force: true }).catch(() => {})
    }
    try {
      o.signal.throwIfAborted()
      await qmp.execute('stop')
      try {
        const actions = disks.map(({ node }) => {
          const data = { 'job-id': jobOf(node), device: node, target: `backup-${node}`, sync: 'incremental', bitmap }
          return { type: 'blockdev-backup', data }
        })
        await qmp.execute('transaction', { actions })
        o.signal.addEventListener('abort', cancel, { once: true })
        await o.atMoment()
      } catch (error) {
        cancel()
        throw error
      } finally {
        // A guest that has powered off meanwhile does not go on, and is seen to have ended.
        await qmp.execute('cont').catch(() => {})
      }
      const ended = await Promise.race([Promise.all(ends), qmp.closed])
      if (ended === undefined) throw new Error('QEMU ended before all was copied')
      o.signal.throwIfAborted()
      const failed = ended.find(({ error }) => error !== undefined)
      if (failed !== undefined) throw new Error(`QEMU did not copy a disk: ${failed.error}`)
      return ended.reduce((sum, { bytes }) => sum + bytes, 0)
    } finally {
      o.signal.removeEventListener('abort', cancel)
      for (const { node } of disks) this.#jobs.delete(jobOf(node))
    }
  }
}

const jobOf = (node: string): string => `backup-job-${node}`
