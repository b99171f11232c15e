import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * Prints CHANGELOG.md's entries for the newest version, or for the one named.
 *   npm run release-notes [-- VERSION]
 */
const heading = /^## (\S+)/

/** Entries of a version, one per line; of the first chapter if none is named. @throws Error if there is no such chapter */
export function releaseNotes(changelog: string, version?: string): string[] {
  const chapters = changelog.split(/^(?=## )/m).filter((chapter) => heading.test(chapter))
  const found = version === undefined ? chapters[0] : chapters.find((chapter) => heading.exec(chapter)?.[1] === version)
  if (found === undefined) throw new Error(`CHANGELOG.md has no chapter ${version ?? 'at all'}`)
  return found
    .split('\n')
    .filter((line) => line.startsWith('- '))
    .map((line) => line.slice(2))
}

if (import.meta.main) {
  const notes = releaseNotes(
    readFileSync(join(resolve(import.meta.dirname, '..'), 'CHANGELOG.md'), 'utf8'),
    process.argv[2],
  )
  process.stdout.write(`${notes.map((line) => `- ${line}`).join('\n')}\n`)
}
