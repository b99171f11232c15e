import { open, type FileHandle } from 'node:fs/promises'
import { run } from '@strongroom/platform'

const block = 1024 * 1024
const zeros = Buffer.alloc(block)

/** A sparse file (0600) of that length; replaces an existing one. */
export async function makeEmpty(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.truncate(bytes)
  } finally {
    await file.close()
  }
}

/** Copies a file; blocks of zeros become holes, and blocks are shared if the file system can. */
export async function copySparse(from: string, to: string, signal?: AbortSignal): Promise<void> {
  await run({
    command: 'cp',
    args: ['--sparse=always', '--reflink=auto', '--no-preserve=mode', '--', from, to],
    ...(signal && { signal }),
  })
}

/** Copies a range of a file into a new file (0600) of that length; blocks of zeros become holes. */
export async function extractRange(o: {
  from: string
  offset: number
  length: number
  to: string
  signal?: AbortSignal
}): Promise<void> {
  const source = await open(o.from, 'r')
  try {
    const target = await open(o.to, 'wx', 0o600)
    try {
      await target.truncate(o.length)
      const buffer = Buffer.allocUnsafe(block)
      for (let done = 0; done < o.length;) {
        o.signal?.throwIfAborted()
        const { bytesRead } = await source.read(buffer, 0, Math.min(block, o.length - done), o.offset + done)
        if (bytesRead === 0) throw new RangeError(`${o.from} ends before ${o.offset + o.length}`)
        const chunk = buffer.subarray(0, bytesRead)
        if (!chunk.equals(zeros.subarray(0, bytesRead))) await target.write(chunk, 0, bytesRead, done)
        done += bytesRead
      }
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** Copies a range of a file to the same place of an empty one; blocks of zeros become holes. */
export async function copyRange(o: {
  from: FileHandle
  to: FileHandle
  offset: number
  length: number
  signal: AbortSignal
}): Promise<void> {
  const buffer = Buffer.allocUnsafe(block)
  for (let done = 0; done < o.length;) {
    o.signal.throwIfAborted()
    const { bytesRead } = await o.from.read(buffer, 0, Math.min(block, o.length - done), o.offset + done)
    if (bytesRead === 0) throw new RangeError(`the file ends before ${o.offset + o.length}`)
    const chunk = buffer.subarray(0, bytesRead)
    if (!chunk.equals(zeros.subarray(0, bytesRead))) await o.to.write(chunk, 0, bytesRead, o.offset + done)
    done += bytesRead
  }
}

/** Writes a whole file into another at `offset`; blocks of zeros are written too. */
export async function insertRange(o: {
  from: string
  to: string
  offset: number
  signal?: AbortSignal
}): Promise<void> {
  const source = await open(o.from, 'r')
  try {
    const target = await open(o.to, 'r+')
    try {
      const buffer = Buffer.allocUnsafe(block)
      for (let done = 0; ;) {
        o.signal?.throwIfAborted()
        const { bytesRead } = await source.read(buffer, 0, block, done)
        if (bytesRead === 0) return
        await target.write(buffer, 0, bytesRead, o.offset + done)
        done += bytesRead
      }
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** Waits until a file's content is on the disk. */
export async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
