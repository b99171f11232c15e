import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrustAnchors } from '@strongroom/evidence'
import { parseAnchors, rootsOf, type Roots } from '@strongroom/trust'
import { CliError } from '../core/cli-error.ts'

/** STATE/anchors.json: the silicon's roots, and the keys that sign image measurements. @throws CliError NoTrustAnchors */
export async function readTrustAnchors(stateDir: string): Promise<TrustAnchors> {
  return await orNone(stateDir, async () => parseAnchors(await readFile(join(stateDir, 'anchors.json'), 'utf8')))
}

/** @throws CliError NoTrustAnchors */
export async function loadRoots(stateDir: string): Promise<Roots> {
  const anchors = await readTrustAnchors(stateDir)
  return await orNone(stateDir, async () => await rootsOf(anchors, await readFile(join(stateDir, 'ca.pem'), 'utf8')))
}

async function orNone<T>(stateDir: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    throw new CliError({
      code: 'NoTrustAnchors',
      message: `The trust roots cannot be read from ${stateDir}.`,
      remedy: 'Start the server once: it writes anchors.json and ca.pem.',
      cause,
    })
  }
}
