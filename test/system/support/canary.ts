import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { readdir, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { listProcesses, processesOf } from './processes.ts'

/** A secret as bytes, hexadecimal in both cases, base64 and base64url; 12 bytes from its middle are enough to recognize it. */
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

/** The texts (latin1) that contain any of the secrets, in any form. */
export function textsWith(texts: readonly string[], marks: Uint8Array[]): string[] {
  const needles = marks.flatMap(forms)
  return texts.filter((text) => needles.some((needle) => Buffer.from(text, 'latin1').includes(needle)))
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

/** Holes are skipped: a guest's disk is mostly one. */
async function fileHolds(path: string, needles: Buffer[]): Promise<boolean> {
  const overlap = Math.max(...needles.map((needle) => needle.length))
  const { stdout } = await promisify(execFile)('python3', ['-I', '-S', '-c', rangesOf, path])
  for (const range of stdout.split('\n').filter((line) => line !== '')) {
    const [start, end] = range.split(' ').map(Number)
    let tail: Buffer = Buffer.alloc(0)
    for await (const chunk of createReadStream(path, { start: start!, end: end!, highWaterMark: 8 << 20 })) {
      const block: Buffer = Buffer.concat([tail, chunk as Buffer])
      if (needles.some((needle) => block.includes(needle))) return true
      tail = block.subarray(Math.max(0, block.length - overlap))
    }
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

/** Files that the guests' QEMU has open and that no longer have a name: temporary disks. */
async function namelessFiles(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const { pid, command } of await processesOf(folder)) {
    if (!command.startsWith('qemu')) continue
    for (const descriptor of await readdir(`/proc/${pid}/fd`)) {
      const path = `/proc/${pid}/fd/${descriptor}`
      const name = await readlink(path).catch(() => '')
      if (name.endsWith(' (deleted)') && (await stat(path)).isFile()) found.push(path)
    }
  }
  return found
}

/**
 * Where any of the secrets is in clear: files under the folder, unnamed files that its guests' QEMU has open, and
 * argument lists and environments of all processes.
 */
export async function findMarks(folder: string, marks: Uint8Array[]): Promise<string[]> {
  const needles = marks.flatMap(forms)
  const found: string[] = []
  for (const path of [...(await filesUnder(folder)), ...(await namelessFiles(folder))]) {
    if (await fileHolds(path, needles)) found.push(path)
  }
  for (const each of await listProcesses()) {
    const text = Buffer.from(`${each.cmdline}\n${each.environ}`, 'latin1')
    if (needles.some((needle) => text.includes(needle))) found.push(`process ${each.pid} ${each.command}`)
  }
  return found
}
