import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'vitest'
import { Qmp } from '../../../services/host/src/qemu/qmp.ts'
import type { TestInstallation } from './installation.ts'
import { processesOf } from './processes.ts'
import type { VmView } from './vm.ts'

interface BrokenLink {
  id: string
  outcome: string
  code?: string
  why?: string
}

/** Links of `strongroom vm trust` that are not verified; its exit code says the same. */
export async function brokenLinks(installation: TestInstallation, name: string): Promise<BrokenLink[]> {
  const { code, json } = await installation.cli('vm', 'trust', name)
  const broken = (json as { links: BrokenLink[] }).links.filter(({ outcome }) => outcome !== 'verified')
  expect(code).toBe(broken.length === 0 ? 0 : 6)
  return broken
}

/** The guest's processors stand still meanwhile. */
export async function whilePaused(vm: VmView, work: () => Promise<void>): Promise<void> {
  const { pid } = (await processesOf(vm.properties.vmId)).find(({ command }) => command.startsWith('qemu'))!
  process.kill(pid, 'SIGSTOP')
  try {
    await work()
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

/** The machine starts again, and its TPM with it. @param monitor a QMP socket of the host’s QEMU */
export async function resetMachine(monitor: string): Promise<void> {
  const socket = connect(monitor)
  await once(socket, 'connect')
  const qmp = await Qmp.begin({ socket, listener: () => {} })
  await qmp.execute('system_reset', {})
  socket.destroy()
}
