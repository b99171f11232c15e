import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createFileAtomically, createSealer, openInstallation, openRootKey } from '@strongroom/platform'
import { createSilicon } from '@strongroom/silicon'
import { openSiliconKeys } from '../silicon-keys.ts'

/** Not in a temporary directory: the next run needs them too. */
const cache = resolve(import.meta.dirname, '../../../../.cache/tests')
let laid = 0

/**
 * Gives an installation that has never started the keys of simulated processors from an earlier test, because its
 * first start would take seconds of processor time to generate them. Each installation of a process has other ones.
 * Its master key is made, or found, as the environment of this process says.
 */
export async function layProcessors(o: Parameters<typeof openInstallation>[0]): Promise<void> {
  const { installation } = await openInstallation(o)
  const sealer = createSealer(await openRootKey({ stateDir: o.stateDir, installationId: installation.id }))
  const keys = await openSiliconKeys({ stateDir: o.stateDir, sealer })
  for (const [name, pkcs8] of await processorKeys(laid++)) await keys.save(name, pkcs8)
}

/** PKCS#8 by name. */
async function processorKeys(number: number): Promise<Map<string, Uint8Array>> {
  const path = join(cache, `processors-${number}.json`)
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text !== undefined)
    return new Map(
      Object.entries(JSON.parse(text) as Record<string, string>).map(([name, key]) => [
        name,
        Buffer.from(key, 'base64'),
      ]),
    )
  const made = new Map<string, Uint8Array>()
  await createSilicon({
    keys: { load: async (name) => made.get(name), save: async (name, pkcs8) => void made.set(name, pkcs8) },
    clock: { now: () => new Date() },
  })
  const content = [...made].map(([name, key]) => [name, Buffer.from(key).toString('base64')])
  await createFileAtomically(path, JSON.stringify(Object.fromEntries(content)))
  return made
}
