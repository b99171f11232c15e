/** A whole installation without guests, with many VMs, in a separate process. Tells bench/portal.ts over IPC how to connect. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { openStore } from '@strongroom/platform'
import { startTestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { makeVm } from '../../apps/strongroomd/src/testing/simulated-vm.ts'

export interface PortalReady {
  caPem: string
  /** The portal's origin on this machine. */
  origin: string
  ownerSocket: string
}

type Question = { ask: 'usage' } | { ask: 'machines'; count: number } | { ask: 'end' }

const installation = await startTestInstallation()
const { context } = installation.running
const { stateDir, storeUrl, sealer } = context
const first = await makeVm(installation, { name: 'machine-0', size: 'Standard_DC2as_v5' })

process.on('message', (question: Question) => void answer(question))
process.send?.({
  caPem: installation.caPem,
  origin: `http://localhost:${context.installation.ports.local}`,
  ownerSocket: join(stateDir, 'run/owner.sock'),
} satisfies PortalReady)

async function answer(question: Question): Promise<void> {
  if (question.ask === 'usage') {
    globalThis.gc?.()
    process.send?.({ resident: process.memoryUsage.rss() / 2 ** 20 })
  } else if (question.ask === 'machines') {
    await copyMachine(question.count)
    process.send?.({ made: question.count })
  } else {
    await installation.close()
    process.disconnect()
  }
}

/** Copies the first VM's row this often, each with its own id and name: creating them one by one would take an hour. */
async function copyMachine(count: number): Promise<void> {
  const store = await openStore({ url: storeUrl, service: 'control_plane', sealer })
  try {
    const found = store.db.selectFrom('resource').selectAll().where('key', '=', first.toLowerCase())
    const row = (await found.executeTakeFirstOrThrow()) as Record<string, string>
    const vmId = /"vmId":"([^"]+)"/.exec(row['body']!)?.[1] ?? /"vmId":"([^"]+)"/.exec(row['internal']!)?.[1] ?? ''
    for (let index = 1; index < count; index += 200) {
      const rows = Array.from({ length: Math.min(200, count - index) }, (_, offset) =>
        copyOf(row, vmId, `machine-${index + offset}`),
      )
      await store.db.insertInto('resource').values(rows).execute()
    }
  } finally {
    await store.close()
  }
}

function copyOf(row: Record<string, string>, vmId: string, name: string): Record<string, string> {
  const other = randomUUID().toUpperCase()
  const renamed = (text: string): string => text.replaceAll('machine-0', name).replaceAll(vmId, other)
  return {
    ...row,
    key: renamed(row['key']!),
    id: renamed(row['id']!),
    name,
    body: renamed(row['body']!),
    internal: renamed(row['internal']!),
    etag: randomUUID(),
  }
}
