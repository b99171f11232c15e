import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InstanceSpec } from '@strongroom/contract'
import { apiVersions, type ArmClient } from '../apps/cli/src/client/arm.ts'
import { prepareNetwork } from '../apps/cli/src/up/vm-network.ts'
import { sizeFor, vmBody, vmPath } from '../apps/cli/src/up/vm-request.ts'
import { buildImage } from '../services/host/src/image/build.ts'
import { cpuModels } from '@strongroom/contract'
import { probeAcceleration } from '../services/host/src/qemu/probe.ts'
import { TestInstallation } from '../test/system/support/installation.ts'
import { defaultRequest, openArm } from '../test/system/support/vm.ts'
import { BareMachine } from './boot/bare-machine.ts'
import { residentMebibytes } from './support/process.ts'
import { step } from './support/progress.ts'
import { machineFacts, printReport } from './support/report.ts'

const goals = { start: 1.15, create: 1.5, mebibytesPerVm: 5 }
const rounds = 2
const group = 'strongroom'
/** How long running guests are left alone before the server's memory is read. */
const idleMs = 15_000

/** All times in milliseconds up to the guest's verified report; later boots are the best of several. */
export interface BootFigures {
  create: number
  start: number
  bareFirst: number
  bareLater: number
  /** Memory of the server with one, two and three running VMs, MiB. */
  resident: number[]
}

async function createVm(installation: TestInstallation, arm: ArmClient, name: string): Promise<number> {
  const request = await defaultRequest(installation, name)
  await prepareNetwork(arm, request)
  return await timed(() => arm.run('PUT', vmPath(arm, group, name), apiVersions.compute, vmBody(arm, request)))
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** As the resource manager describes the VM to the host; what differs from VM to VM does not matter for its time. */
function bareSpec(sizeGiB: number): InstanceSpec {
  return {
    vmId: '00000000-0000-4000-8000-0000000000BB',
    resourceId: '/bare',
    name: 'bare',
    region: 'westeurope',
    tee: 'SNP',
    size: { name: sizeFor('snp'), vCPUs: 2, memoryMiB: 8192 },
    security: { encryption: 'DiskWithVMGuestState', secureBoot: true, vTpm: true },
    image: '',
    osDisk: { id: '', sizeGiB },
    osProfile: { computerName: 'bare', adminUsername: 'azureuser', sshPublicKeys: [] },
    network: { macAddress: '02-53-52-00-00-01', privateIpAddress: '10.0.0.4' },
    guestStateKey: '',
    attestationProvider: '',
    tags: {},
  }
}

/** Boots by turns with and without Strongroom, so that whatever else the machine does disturbs both. */
export async function measureBoot(): Promise<BootFigures> {
  const installation = await TestInstallation.create()
  let bare: BareMachine | undefined
  try {
    await installation.start()
    const image = await buildImage({ cacheDir: installation.cacheDir })
    const arm = await openArm(installation)
    const power = async (name: string, action: string): Promise<number> =>
      await timed(() => arm.run('POST', `${vmPath(arm, group, name)}/${action}`, apiVersions.compute))
    step('creates a VM')
    const create = await createVm(installation, arm, 'one')
    await power('one', 'deallocate')
    step('boots the same machine under bare QEMU for the first time')
    bare = await BareMachine.make({
      image,
      encryption: 'DiskWithVMGuestState',
      spec: bareSpec(30),
      cpuModel: cpuModels.SNP,
      acceleration: (await probeAcceleration({ cacheDir: installation.cacheDir })).acceleration,
      caPem: await readFile(join(installation.stateDir, 'ca.pem'), 'utf8'),
    })
    const bareFirst = await bare.boot()
    const [starts, bareLater]: [number[], number[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      step(`boots bare QEMU, then the VM (${round + 1} of ${rounds})`)
      bareLater.push(await bare.boot())
      starts.push(await power('one', 'start'))
      if (round < rounds - 1) await power('one', 'deallocate')
    }
    const pid = installation.server?.pid ?? 0
    const resident: number[] = []
    for (const name of ['two', 'three', undefined]) {
      step(`reads the server's memory with ${resident.length + 1} running VMs`)
      await sleep(idleMs)
      resident.push(await residentMebibytes(pid))
      if (name !== undefined) await createVm(installation, arm, name)
    }
    return { create, start: Math.min(...starts), bareFirst, bareLater: Math.min(...bareLater), resident }
  } finally {
    await bare?.remove()
    await installation.remove()
  }
}

/** What Strongroom adds to a boot, and what a running VM costs the server. @returns whether the goals are reached */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const facts = machineFacts()
  const figures = await measureBoot()
  const { resident } = figures
  const ratios = {
    start: figures.start / figures.bareLater,
    create: figures.create / figures.bareFirst,
    mebibytesPerVm: ((resident.at(-1) ?? Number.NaN) - (resident[0] ?? Number.NaN)) / (resident.length - 1),
  }
  const reached =
    ratios.start <= goals.start && ratios.create <= goals.create && ratios.mebibytesPerVm <= goals.mebibytesPerVm
  const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`
  const rows = [
    ['', 'Strongroom', 'bare QEMU', 'ratio', 'wanted'],
    [
      'create → ready',
      seconds(figures.create),
      seconds(figures.bareFirst),
      `${ratios.create.toFixed(2)}x`,
      `${goals.create}x`,
    ],
    [
      'start → ready',
      seconds(figures.start),
      seconds(figures.bareLater),
      `${ratios.start.toFixed(2)}x`,
      `${goals.start}x`,
    ],
    [
      'server with 1, 2, 3 running VMs',
      resident.map((mebibytes) => mebibytes.toFixed(0)).join(', ') + ' MiB',
      '',
      `${ratios.mebibytesPerVm.toFixed(1)} MiB a VM`,
      `${goals.mebibytesPerVm} MiB`,
    ],
  ]
  printReport(o, { facts, data: { goals, figures, ratios, reached }, rows })
  return reached
}
