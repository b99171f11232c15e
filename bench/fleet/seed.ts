import { randomUUID } from 'node:crypto'
import { openServiceStore, type ServiceContext } from '@strongroom/platform'

/** Rows inserted by one statement. */
const atOnce = 200
/** How long all hosts together may take to start, in milliseconds. */
const patienceMs = 1_800_000
const cores = 2
const memoryMiB = 16 * 1024

type Row = Record<string, unknown>

/** Which VM is copied, and the names of its copies. */
interface Copied {
  name: string
  vmId: string
  count: number
}

/**
 * Copies one VM that was made through the API, in the store of a stopped server: the same rows as 20,000 requests would
 * leave, in a hundredth of the time. Each host in use gets as many as the others, at their first epoch.
 */
export async function seedMachines(context: ServiceContext, o: Copied): Promise<void> {
  const store = await openServiceStore(context, 'control_plane')
  try {
    await store.transaction(async (tx) => {
      const hosts = (
        await tx.selectFrom('fleet_host').select('id').where('state', '=', 'Ready').orderBy('id').execute()
      ).map((row) => String(row['id']))
      const all = async (table: string): Promise<Row[]> => await tx.selectFrom(table).selectAll().execute()
      const own = (await all('resource')).filter((row) => String(row['key']).endsWith(`/${o.name}`))
      const [instance] = (await all('simulated_instance')).filter((row) => row['vm_id'] === o.vmId)
      const [placement] = (await all('placement')).filter((row) => row['vm_id'] === o.vmId)
      if (instance === undefined || placement === undefined) throw new Error('the machine that is copied has no host')
      const copies: Record<string, Row[]> = { resource: [], simulated_instance: [], placement: [] }
      for (let index = 1; index < o.count; index++) {
        const [name, vmId] = [`${o.name}-${index}`, randomUUID().toUpperCase()]
        const copied = (row: Row): Row => copyOf(row, { ...o, to: name, vmId, from: o.vmId })
        copies['resource']!.push(...own.map(copied))
        copies['simulated_instance']!.push(copied(instance))
        copies['placement']!.push({ ...copied(placement), host: hosts[index % hosts.length] })
      }
      for (const [table, rows] of Object.entries(copies))
        for (let at = 0; at < rows.length; at += atOnce)
          await tx
            .insertInto(table)
            .values(rows.slice(at, at + atOnce))
            .execute()
      // As if each had just called, so that none counts as lost before it does.
      const until = new Date(Date.now() + patienceMs).toISOString()
      await tx.updateTable('fleet_lease').set({ until }).execute()
      for (const host of hosts) {
        const { length } = await tx.selectFrom('placement').select('vm_id').where('host', '=', host).execute()
        await tx
          .updateTable('fleet_use')
          .set({ vcpus: length * cores, memory_mib: length * memoryMiB, revision: 1 })
          .where('host', '=', host)
          .execute()
      }
    })
  } finally {
    await store.close()
  }
}

/** With its name and id in place of the first VM's. */
function copyOf(row: Row, o: { name: string; to: string; from: string; vmId: string }): Row {
  const text = (value: unknown): unknown =>
    typeof value === 'string'
      ? value.replaceAll(o.name, o.to).replaceAll(o.from, o.vmId).replaceAll(o.from.toLowerCase(), o.vmId.toLowerCase())
      : value
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, text(value)]))
}
