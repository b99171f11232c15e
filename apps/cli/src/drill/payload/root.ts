import { open, rm, writeFile } from 'node:fs/promises'
import { runProgram } from '../host/programs.ts'
import { partitionTypes, readTable } from '../host/partitions.ts'
import { markingUnit, type Mark } from '../host/mark.ts'

const block = 1024 ** 2

/**
 * The host's root file system: the image's own plus one service that runs as root as soon as anything runs. The image
 * is public, so every host has it.
 */
export async function makeRoot(o: { image: string; out: string; mark: Mark }): Promise<void> {
  const root = (await readTable(o.image)).find(({ type }) => type === partitionTypes.root)
  if (root === undefined) throw new TypeError(`${o.image} has no root partition`)
  await copyRange({ from: o.image, fromOffset: root.offset, length: root.sizeBytes, to: o.out, toOffset: 0 })
  const unit = `${o.out}.service`
  await writeFile(unit, markingUnit(o.mark))
  const wants = '/etc/systemd/system/sysinit.target.wants'
  const commands = [
    `cd /etc/systemd/system`,
    `write ${unit} drill.service`,
    `mkdir ${wants}`,
    `symlink ${wants}/drill.service /etc/systemd/system/drill.service`,
  ]
  // debugfs continues after a failed command, such as mkdir for an existing folder.
  await runProgram('debugfs', ['-w', '-f', '-', o.out], { input: `${commands.join('\n')}\n` })
  await rm(unit)
}

/** Copies bytes of a file to an offset in another, which is created if missing; a new one has holes for blocks of zeros. */
export async function copyRange(o: {
  from: string
  fromOffset: number
  length: number
  to: string
  toOffset: number
}): Promise<void> {
  const source = await open(o.from, 'r')
  const existing = await open(o.to, 'r+').catch(() => undefined)
  const target = existing ?? (await open(o.to, 'wx', 0o600))
  try {
    if (existing === undefined) await target.truncate(o.toOffset + o.length)
    const buffer = Buffer.alloc(block)
    for (let done = 0; done < o.length;) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(block, o.length - done), o.fromOffset + done)
      if (bytesRead === 0) break
      const chunk = buffer.subarray(0, bytesRead)
      if (existing !== undefined || !chunk.equals(Buffer.alloc(bytesRead)))
        await target.write(chunk, 0, bytesRead, o.toOffset + done)
      done += bytesRead
    }
  } finally {
    await source.close()
    await target.close()
  }
}
