import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrustAnchors } from '@strongroom/evidence'
import { parseAnchors, rootsOf, type Roots } from '@strongroom/trust'
import { CliError } from '../core/cli-error.ts'
import type { Paths } from '../core/paths.ts'
import { pinRoots, type RootFiles } from './pinned-roots.ts'

/** Where an installation's roots are, and the person's own folder, which remembers them. */
export type RootPaths = Pick<Paths, 'state' | 'config'>

/** The silicon's roots, and the keys that sign image measurements. @throws CliError NoTrustAnchors, TrustAnchorsChanged */
export async function readTrustAnchors(paths: RootPaths): Promise<TrustAnchors> {
  const { anchors } = await rootFiles(paths)
  return await orNone(paths, () => parseAnchors(anchors))
}

/** @throws CliError NoTrustAnchors, TrustAnchorsChanged */
export async function loadRoots(paths: RootPaths): Promise<Roots> {
  const { anchors, authority } = await rootFiles(paths)
  return await orNone(paths, async () => await rootsOf(parseAnchors(anchors), authority))
}

async function rootFiles(paths: RootPaths): Promise<RootFiles> {
  const read = async (name: string): Promise<string> => await readFile(join(paths.state, name), 'utf8')
  const found = await orNone(paths, async () => {
    const files = { anchors: await read('anchors.json'), authority: await read('ca.pem') }
    parseAnchors(files.anchors)
    return files
  })
  await pinRoots(paths.config, paths.state, found)
  return found
}

async function orNone<T>({ state }: RootPaths, read: () => Promise<T> | T): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    throw new CliError({
      code: 'NoTrustAnchors',
      message: `The trust roots cannot be read from ${state}.`,
      remedy: 'Start the server once: it writes anchors.json and ca.pem.',
      cause,
    })
  }
}
