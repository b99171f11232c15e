import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Where bundles are, below the repository: of the command line, and of the server's programs. */
export const bundleDirectories = { cli: 'apps/cli/dist', server: 'apps/strongroomd/dist' } as const
export type BundleName = keyof typeof bundleDirectories
/** In that directory. */
export const manifestFile = 'bundle.json'

/** What a bundle was built from. */
export interface BundleManifest {
  /** Files of the programs in the bundle's directory, by their source's name. */
  programs: Record<string, string>
  /** Stamp of every input file, and of directories whose files are found by name, by path in the repository. */
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

/** The bundle's program, if every input is unchanged. @param source its name, such as main.ts */
export function freshProgram(repository: string, bundle: BundleName, source: string): string | undefined {
  try {
    const directory = join(repository, bundleDirectories[bundle])
    const { programs, inputs } = JSON.parse(readFileSync(join(directory, manifestFile), 'utf8')) as BundleManifest
    for (const [file, stamp] of Object.entries(inputs)) if (stampOf(join(repository, file)) !== stamp) return undefined
    const program = join(directory, programs[source]!)
    statSync(program)
    return program
  } catch {
    return undefined
  }
}
