import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

const chunkBytes = 1024 * 1024
const untouched = Buffer.alloc(chunkBytes)

/** Every writable byte that a process has touched, in pieces that overlap by `overlap`; readable to us as its parent. */
export function* memoryOf(pid: number, overlap: number): Generator<Buffer> {
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line)
      if (!match || /\[vvar|\[vsyscall/.test(line)) continue
      const end = Number.parseInt(match[2]!, 16)
      for (let start = Number.parseInt(match[1]!, 16); start < end; start += chunkBytes - overlap) {
        const buffer = Buffer.alloc(Math.min(chunkBytes, end - start))
        try {
          const piece = buffer.subarray(0, readSync(memory, buffer, 0, buffer.length, start))
          if (!piece.equals(untouched.subarray(0, piece.length))) yield piece
        } catch {
          // A region that disappeared meanwhile.
        }
      }
    }
  } finally {
    closeSync(memory)
  }
}
