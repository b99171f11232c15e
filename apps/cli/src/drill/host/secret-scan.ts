import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Files with holes: below this they are read whole. */
const sparseFrom = 64 * 1024 ** 2
const chunkBytes = 8 << 20

/** A secret as bytes, hexadecimal in both cases, base64 and base64url; 12 bytes from its middle are enough to recognize it. */
export function formsOf(mark: Uint8Array): Buffer[] {
  const bytes = Buffer.from(mark)
  const base64 = [0, 1, 2].map((shift) => Buffer.from(bytes.subarray(shift, shift + 18).toString('base64')))
  return [
    bytes,
    Buffer.from(bytes.toString('hex')),
    Buffer.from(bytes.toString('hex').toUpperCase()),
    ...base64,
    Buffer.from(bytes.subarray(0, 18).toString('base64url')),
  ]
}

/** Prints the ranges of a file that hold data, one per line: lseek(2), which Node lacks. */
const rangesOf = `import os, sys
file, at = os.open(sys.argv[1], os.O_RDONLY), 0
while True:
    try: at = os.lseek(file, at, os.SEEK_DATA)
    except OSError: break
    end = os.lseek(file, at, os.SEEK_HOLE)
    print(at, end - 1)
    at = end`

async function dataIn(path: string): Promise<[start: number, end: number][]> {
  const { size } = await stat(path)
  if (size < sparseFrom && !path.startsWith('/proc/')) return size === 0 ? [] : [[0, size - 1]]
  const { stdout } = await promisify(execFile)('python3', ['-I', '-S', '-c', rangesOf, path])
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => line.split(' ').map(Number) as [number, number])
}

/**
 * Whether a file has any of the texts. Holes are skipped: a guest's disk is mostly one.
 * @param searched a file that was searched before: where both are the same, nothing is looked for again
 */
export async function fileHolds(path: string, needles: readonly Buffer[], searched?: string): Promise<boolean> {
  const overlap = Math.max(...needles.map((needle) => needle.length))
  const before = searched === undefined ? undefined : await open(searched, 'r').catch(() => undefined)
  try {
    for (const [start, end] of await dataIn(path)) {
      let [tail, at]: [Buffer, number] = [Buffer.alloc(0), start]
      for await (const chunk of createReadStream(path, { start, end, highWaterMark: chunkBytes })) {
        const read = chunk as Buffer
        const same = Buffer.alloc(before === undefined ? 0 : read.length)
        await before?.read(same, 0, same.length, at)
        const block: Buffer = Buffer.concat([tail, read])
        if (!read.equals(same) && needles.some((needle) => block.includes(needle))) return true
        tail = block.subarray(Math.max(0, block.length - overlap))
        at += read.length
      }
    }
    return false
  } finally {
    await before?.close()
  }
}

/** Every file below a folder. */
export async function filesUnder(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) found.push(...(await filesUnder(path)))
    else if (entry.isFile()) found.push(path)
  }
  return found
}
