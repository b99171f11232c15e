import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { listProcesses } from './processes.ts'

/** A secret as bytes, hexadecimal in both cases, base64 and base64url; 12 bytes from its middle are enough to know it by. */
function forms(mark: Uint8Array): Buffer[] {
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

async function fileHolds(path: string, needles: Buffer[]): Promise<boolean> {
  const overlap = Math.max(...needles.map((needle) => needle.length))
  let tail: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(path, { highWaterMark: 8 << 20 })) {
    const block: Buffer = Buffer.concat([tail, chunk as Buffer])
    if (needles.some((needle) => block.includes(needle))) return true
    tail = block.subarray(Math.max(0, block.length - overlap))
  }
  return false
}

async function filesUnder(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) found.push(...(await filesUnder(path)))
    else if (entry.isFile()) found.push(path)
  }
  return found
}

/** Where any of the secrets lies in clear: files under the folder, argument lists and environments of all processes. */
export async function findMarks(folder: string, marks: Uint8Array[]): Promise<string[]> {
  const needles = marks.flatMap(forms)
  const found: string[] = []
  for (const path of await filesUnder(folder)) {
    if (await fileHolds(path, needles)) found.push(path)
  }
  for (const each of await listProcesses()) {
    const text = Buffer.from(`${each.cmdline}\n${each.environ}`, 'latin1')
    if (needles.some((needle) => text.includes(needle))) found.push(`process ${each.pid} ${each.command}`)
  }
  return found
}
