import { readFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createFileAtomically, type Sealer } from '@strongroom/platform'
import type { KeyStore } from '@strongroom/silicon'

/** Sealed private keys of the simulated processors, under STATE/silicon. Losing them means new processors. */
export async function openSiliconKeys(o: { stateDir: string; sealer: Sealer }): Promise<KeyStore> {
  const directory = join(o.stateDir, 'silicon')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const sealer = o.sealer.derive('silicon')
  const path = (name: string): string => {
    if (!/^[a-z0-9][a-z0-9.-]{0,63}$/i.test(name)) throw new TypeError('not a key name')
    return join(directory, `${name}.sealed`)
  }
  return {
    load: async (name) => {
      let sealed: Buffer
      try {
        sealed = await readFile(path(name))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
      return await sealer.open(sealed, name)
    },
    save: async (name, pkcs8) => {
      await createFileAtomically(path(name), await sealer.seal(pkcs8, name))
    },
  }
}
