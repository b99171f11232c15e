import { open, type FileHandle } from 'node:fs/promises'

export interface Write {
  bytes: Buffer
  offset: number
}

type Method = (this: FileHandle, ...given: unknown[]) => Promise<unknown>

/**
 * What `work` writes to files, grouped by flush.
 * @param path any existing file
 */
export async function writesOf(path: string, work: () => Promise<void>): Promise<Write[][]> {
  const steps: Write[][] = [[]]
  const handle = await open(path, 'r')
  const prototype = Object.getPrototypeOf(handle) as { write: Method; datasync: Method }
  await handle.close()
  const genuine = { write: prototype.write, datasync: prototype.datasync }
  prototype.datasync = async () => void steps.push([])
  prototype.write = async function (...given) {
    const [bytes, from, length, offset] = given as [Buffer, number, number, number]
    steps.at(-1)!.push({ bytes: Buffer.from(bytes.subarray(from, from + length)), offset })
    return await genuine.write.apply(this, given)
  }
  try {
    await work()
  } finally {
    prototype.write = genuine.write
    prototype.datasync = genuine.datasync
  }
  return steps.filter((writes) => writes.length > 0)
}
