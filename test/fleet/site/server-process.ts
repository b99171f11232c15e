/**
 * A site's server in a separate process: a whole installation of guests, with the test's lease length. argv is
 * FLEET-ADDRESS STORE-URL-FILE LEASE-SECONDS [FLEET-STORAGE-FILE]; STRONGROOM_TEST_MUTATION names what is removed from the code before
 * loading.
 */
import type { AddedHost } from '@strongroom/contract'
import type { HadRelease } from '../hosts/attested-boot.ts'
import { takeOut } from './mutations.ts'

export type ServerQuestion =
  | { ask: 'host'; name: string }
  | { ask: 'vm'; name: string }
  | { ask: 'placements' }
  /** Data disks, each with its VM. */
  | { ask: 'disks' }
  | { ask: 'release'; had: HadRelease }
  | { ask: 'log' }
  | { ask: 'end' }

export interface ServerReady {
  stateDir: string
  caPem: string
}

const [fleetAddress = '', storeUrlFile = '', lease = '', fleetStorageFile] = process.argv.slice(2)
takeOut(process.env['STRONGROOM_TEST_MUTATION'])
const { openServiceStore, ServiceError } = await import('@strongroom/platform')
const { vaultAudience } = await import('@strongroom/contract')
const { startTestInstallation } = await import('../../../apps/strongroomd/src/testing/running.ts')
const { layStandInImage } = await import('../../../apps/strongroomd/src/testing/stand-in-image.ts')
const { makeVm } = await import('../../../apps/strongroomd/src/testing/simulated-vm.ts')
const { hostPath } = await import('../../../apps/strongroomd/src/testing/test-hosts.ts')

const installation = await startTestInstallation({
  fleetAddress,
  storeUrlFile,
  fleetStorageFile,
  fleetLeaseSeconds: Number(lease),
  compute: 'guests',
})
const { context } = installation.running
await layStandInImage(context)
process.on('message', (question: ServerQuestion) => {
  answer(question).then(
    (answered) => process.send?.({ answered }),
    (error: unknown) => process.send?.({ failed: error instanceof Error ? error.message : String(error) }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.({ answered: { stateDir: context.stateDir, caPem: installation.caPem } satisfies ServerReady })

async function answer(question: ServerQuestion): Promise<unknown> {
  if (question.ask === 'host') {
    const body = { location: 'westeurope', capacity: { vCPUs: 16, memoryMiB: 16 * 8192 } }
    return await installation.arm<AddedHost>('PUT', hostPath(installation, question.name), body)
  }
  if (question.ask === 'vm') {
    // What its guest writes is on the OS disk. In Ceph, fences cost time by the disk.
    const dataDisks =
      fleetStorageFile === undefined
        ? []
        : [{ lun: 0, name: `${question.name}-data`, createOption: 'Empty', diskSizeGB: 1 }]
    const vm = await makeVm(installation, { name: question.name, size: 'Standard_DC2as_v5', dataDisks })
    const { properties } = await installation.arm<{ properties: { vmId: string } }>('GET', vm)
    return properties.vmId.toUpperCase()
  }
  if (question.ask === 'placements') return await rowsOf('control_plane', 'placement')
  if (question.ask === 'disks') return await rowsOf('control_plane', 'carried_disk')
  if (question.ask === 'log') return await rowsOf('vault', 'log_entry')
  if (question.ask === 'release') return await release(question.had)
  await installation.close()
  return process.disconnect()
}

/** As someone who took over an earlier host: with all its material, and with the platform's own rights. */
async function release({ keyId, token: target, placement }: HadRelease): Promise<string> {
  const token = await context.tokens.token('orchestrator', vaultAudience)
  const url = `${keyId}/release?api-version=7.4`
  try {
    await context.wire.request({ method: 'POST', url, token, body: { target, placement } })
    return 'released'
  } catch (error) {
    return error instanceof ServiceError ? (error.reason ?? error.code) : String(error)
  }
}

async function rowsOf(service: string, table: string): Promise<unknown[]> {
  const store = await openServiceStore(context, service)
  try {
    return await store.db.selectFrom(table).selectAll().execute()
  } finally {
    await store.close()
  }
}
