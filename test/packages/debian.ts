import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const versionOf = (deb: string): string =>
  execFileSync('dpkg-deb', ['-f', deb, 'Version'], { encoding: 'utf8' }).trim()

/**
 * The same package under another version, in a folder.
 * @returns name of its file
 */
export function reversioned(deb: string, other: string, folder: string): string {
  const version = versionOf(deb)
  const tree = mkdtempSync(join(tmpdir(), 'strongroom-deb-tree-'))
  try {
    execFileSync('dpkg-deb', ['-R', deb, tree])
    for (const file of ['control', 'preinst']) {
      const path = join(tree, 'DEBIAN', file)
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll(version, other))
    }
    const name = `strongroom_${other}.deb`
    execFileSync('dpkg-deb', ['-Znone', '-b', tree, join(folder, name)], { stdio: 'ignore' })
    return name
  } finally {
    rmSync(tree, { recursive: true })
  }
}
