import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Where the bundle is, below the repository. */
export const bundleDirectory = 'apps/cli/dist'
/** In that directory. */
export const manifestFile = 'bundle.json'

/** What the bundle was built from. */
export interface BundleManifest {
  /** File of the program, in the bundle's directory. */
  main: string
  /** Stamp of every input file, by path in the repository. */
  inputs: Record<string, string>
}

/**
 * Changes whenever a file does: nobody can set the inode's change time, so a file exchanged for one of the same size
 * and date is noticed too.
 */
export function stampOf(file: string): string {
  const { ino, size, ctimeMs } = statSync(file)
  return `${ino} ${size} ${ctimeMs}`
}

/** The bundle's program, if every input file is unchanged. */
export function freshBundle(repository: string): string | undefined {
  try {
    const directory = join(repository, bundleDirectory)
    const { main, inputs } = JSON.parse(readFileSync(join(directory, manifestFile), 'utf8')) as BundleManifest
    for (const [file, stamp] of Object.entries(inputs)) if (stampOf(join(repository, file)) !== stamp) return undefined
    const program = join(directory, main)
    statSync(program)
    return program
  } catch {
    return undefined
  }
}
