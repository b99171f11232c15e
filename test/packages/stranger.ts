import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Ours, and the machine's if it is another version. */
export const nodes: string[] = [process.execPath, '/usr/bin/node', '/usr/local/bin/node'].filter(
  (path, index, all) => existsSync(path) && all.indexOf(path) === index,
)

export const npm = (cwd: string, ...args: string[]): string =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, encoding: 'utf8' })

/** An empty folder, as for someone who does not know this repository. */
export function emptyFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'strongroom-packages-'))
  writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }')
  return directory
}

/** `name sha256` of each packed package in a folder. */
export const digests = (from: string): string[] =>
  readdirSync(from)
    .filter((name) => name.endsWith('.tgz'))
    .toSorted()
    .map(
      (name) =>
        `${name} ${createHash('sha256')
          .update(readFileSync(join(from, name)))
          .digest('hex')}`,
    )

/** Command lines of processes that name the folder. */
export const processesIn = (folder: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        return line.includes(folder) ? [line] : []
      } catch {
        return []
      }
    })
