import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { platformVault } from '@strongroom/contract'
import { openStore, ServiceError, writeFileAtomically, type Sealer, type Store } from '@strongroom/platform'

/** STATE/restored.json.sealed: what a restore of the installation holds until its operator decides. */
const heldFile = 'restored.json.sealed'
const context = 'restored'

interface Held {
  madeAt: string
  /** Names of platform keys. */
  keys: string[]
}

interface Place {
  stateDir: string
  storeUrl: string
  sealer: Sealer
}

interface KeyVersionTable {
  vault: string
  name: string
  enabled: number
}

/**
 * Disables the keys of VMs: the counters that tell a guest state from an older one are as old as the backup, so whoever
 * has states from after it could have any of them opened.
 * @returns how many
 */
export async function holdStates(o: Place & { madeAt: string }): Promise<number> {
  const keys = await withVault(o, async (store) => {
    const rows = (await store.db
      .selectFrom('key_version')
      .selectAll()
      .where('vault', '=', platformVault)
      .where('name', 'like', 'vm-%')
      .where('enabled', '=', 1)
      .execute()) as KeyVersionTable[]
    const names = [...new Set(rows.map(({ name }) => name))]
    await setEnabled(store, names, 0)
    return names
  })
  const held: Held = { madeAt: o.madeAt, keys }
  await writeFileAtomically(join(o.stateDir, heldFile), await o.sealer.seal(Buffer.from(JSON.stringify(held)), context))
  return keys.length
}

/** Enables them again. The server must not run. @returns how many @throws ServiceError NothingHeld */
export async function acceptStates(o: Place): Promise<{ madeAt: string; vms: number }> {
  const sealed = await readFile(join(o.stateDir, heldFile)).catch(() => undefined)
  if (sealed === undefined) throw nothingHeld()
  const { madeAt, keys } = JSON.parse(Buffer.from(await o.sealer.open(sealed, context)).toString('utf8')) as Held
  await withVault(o, async (store) => await setEnabled(store, keys, 1))
  await rm(join(o.stateDir, heldFile))
  return { madeAt, vms: keys.length }
}

async function setEnabled(store: Store, names: readonly string[], enabled: 0 | 1): Promise<void> {
  await store.transaction(async (tx) => {
    for (const name of names)
      await tx
        .updateTable('key_version')
        .set({ enabled })
        .where('vault', '=', platformVault)
        .where('name', '=', name)
        .execute()
  })
}

async function withVault<T>({ storeUrl, sealer }: Place, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ url: storeUrl, service: 'vault', sealer })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

const nothingHeld = (): ServiceError =>
  new ServiceError({
    code: 'NothingHeld',
    message: 'No keys of VMs are held in this installation.',
    expected: 'an installation that was restored from a backup, with its states not accepted yet',
    found: 'another one',
    remedy: 'Start it: strongroom up --no-vm.',
  })
