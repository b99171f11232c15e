/**
 * A test's guest, as far as its disk can tell: argv is SOCKET EPOCH CONFIRMED. Reads the disk's content, then writes
 * record after record; confirmed ones are appended to CONFIRMED. Like QEMU it ignores leases: after a broken connection
 * it continues with unanswered requests, until it is killed.
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Boot } from '../history/history.ts'
import { NbdClient } from './nbd.ts'
import { encodeRecord, offsetOf, recordsOf, type FenceRecord, type ReadDisk } from './records.ts'

const [socket = '', epochText = '', confirmed = ''] = process.argv.slice(2)
const epoch = Number(epochText)
const pauseMs = 15
const retryMs = 150
/** Writes between two flushes. */
const group = 4
/** Epochs above its own that it checks. */
const above = 8

let next: FenceRecord | undefined
let unconfirmed = 0

async function firstRecord(read: ReadDisk): Promise<FenceRecord> {
  const seen: Boot['seen'] = {}
  for (let other = epoch - 1; other > 0; other--) {
    const records = await recordsOf(read, other)
    seen[other] = records.length
    if (records.length > 0) break
  }
  for (let other = epoch + 1; other <= epoch + above; other++) {
    const { length } = await recordsOf(read, other)
    if (length > 0) seen[other] = length
  }
  return { epoch, sequence: (await recordsOf(read, epoch)).length, seen }
}

async function write(disk: NbdClient): Promise<never> {
  next ??= await firstRecord(async (offset, length) => await disk.read(offset, length))
  for (;;) {
    await disk.write(offsetOf(next), encodeRecord(next))
    next = { epoch, sequence: next.sequence + 1 }
    unconfirmed += 1
    if (unconfirmed >= group) {
      await disk.flush()
      appendFileSync(confirmed, `${epoch} ${next.sequence}\n`)
      unconfirmed = 0
    }
    await sleep(pauseMs)
  }
}

for (;;) {
  const disk = await NbdClient.open(socket, 'os').catch(() => undefined)
  await (disk && write(disk).catch(() => {}))
  disk?.close()
  await sleep(retryMs)
}
