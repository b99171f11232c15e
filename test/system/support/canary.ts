import { readdir, readlink, stat } from 'node:fs/promises'
import { fileHolds, filesUnder, formsOf } from '../../../apps/cli/src/drill/host/secret-scan.ts'
import { listProcesses, processesOf } from './processes.ts'

/** The texts (latin1) that contain any of the secrets, in any form. */
export function textsWith(texts: readonly string[], marks: Uint8Array[]): string[] {
  const needles = marks.flatMap(formsOf)
  return texts.filter((text) => needles.some((needle) => Buffer.from(text, 'latin1').includes(needle)))
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
  const needles = marks.flatMap(formsOf)
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
