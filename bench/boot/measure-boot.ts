import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  cpuModels,
  guestFirmwarePath,
  importedImageOffer,
  referenceImageUrn,
  type ImageRecord,
  type InstanceSpec,
} from '@strongroom/contract'
import { apiVersions, type ArmClient } from '../../apps/cli/src/client/arm.ts'
import { prepareNetwork } from '../../apps/cli/src/up/vm-network.ts'
import { sizeFor, vmBody, vmPath } from '../../apps/cli/src/up/vm-request.ts'
import { buildImage } from '../../services/host/src/image/build.ts'
import { recipeSources, type RecipeSource } from '../../services/host/src/image/recipe.ts'
import { probeAcceleration } from '../../services/host/src/qemu/probe.ts'
import { TestInstallation } from '../../test/system/support/installation.ts'
import { guestQemu } from '../../test/system/support/processes.ts'
import { defaultRequest, openArm, type VmView } from '../../test/system/support/vm.ts'
import { processorSeconds, residentMebibytes } from '../support/process.ts'
import { step } from '../support/progress.ts'
import { BareMachine, type BareOptions } from './bare-machine.ts'
import { stockImage, stockStarted } from './stock-image.ts'

const rounds = 3
const group = 'strongroom'
/** How long a guest is left alone before it counts as idle, and how long it is then measured. */
const settleMs = 60_000
const watchMs = 60_000
const sshRounds = 3

/** Milliseconds until the guest's verified report; boots after the first are the best of several. */
export interface BootFigures {
  create: number
  start: number
  /** The same image under QEMU alone. */
  bareFirst: number
  bareLater: number
  /** Power-on to multi-user.target with Debian's own initrd and units. */
  stock: number
  minimal: number
  /** Of one core, by QEMU. */
  idlePercent: number
  ssh: number
  /** The server's memory with one, two and three running VMs, MiB. */
  resident: number[]
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** The VM as the resource manager describes it to the host; values that differ between VMs do not affect its time. */
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
    settings: 'Requested',
    tags: {},
  }
}

/** An installation with VMs, and the machines that it is compared with. */
class BootBench {
  readonly installation: TestInstallation
  readonly #arm: ArmClient
  readonly #bare: BareMachine[] = []

  private constructor(installation: TestInstallation, arm: ArmClient) {
    this.installation = installation
    this.#arm = arm
  }

  static async open(): Promise<BootBench> {
    const installation = await TestInstallation.create()
    await installation.start()
    return new BootBench(installation, await openArm(installation))
  }

  async close(): Promise<void> {
    for (const machine of this.#bare) await machine.remove()
    await this.installation.remove()
  }

  async create(name: string, image?: ImageRecord): Promise<number> {
    const request = await defaultRequest(this.installation, name)
    if (image !== undefined) request.image = `${referenceImageUrn.publisher}:${importedImageOffer}:${image.id}:latest`
    await prepareNetwork(this.#arm, request)
    return await timed(() =>
      this.#arm.run('PUT', vmPath(this.#arm, group, name), apiVersions.compute, vmBody(this.#arm, request)),
    )
  }

  async power(name: string, action: 'start' | 'deallocate'): Promise<number> {
    return await timed(() => this.#arm.run('POST', `${vmPath(this.#arm, group, name)}/${action}`, apiVersions.compute))
  }

  async bare(o: Pick<BareOptions, 'image' | 'encryption' | 'console' | 'firmware'>): Promise<BareMachine> {
    const { cacheDir, stateDir } = this.installation
    const machine = await BareMachine.make({
      ...o,
      spec: bareSpec(30),
      cpuModel: cpuModels.SNP,
      acceleration: (await probeAcceleration({ cacheDir })).acceleration,
      caPem: await readFile(join(stateDir, 'ca.pem'), 'utf8'),
    })
    this.#bare.push(machine)
    return machine
  }

  async image(source: RecipeSource): Promise<ImageRecord> {
    return await buildImage({ cacheDir: this.installation.cacheDir, source })
  }

  async resident(): Promise<number> {
    return await residentMebibytes(this.installation.server?.pid ?? 0)
  }

  /** Share of one core that QEMU uses while the guest is idle, in per cent. */
  async idlePercent(name: string): Promise<number> {
    await sleep(settleMs)
    const { properties } = await this.installation.must<VmView>('vm', 'show', name)
    const qemu = await guestQemu(properties.vmId)
    if (qemu === undefined) throw new Error(`the VM ${name} does not run`)
    const before = await processorSeconds(qemu.pid)
    await sleep(watchMs)
    return (((await processorSeconds(qemu.pid)) - before) / (watchMs / 1000)) * 100
  }

  async ssh(name: string): Promise<number> {
    const times: number[] = []
    for (let round = 0; round < sshRounds; round++)
      times.push(await timed(() => this.installation.must('vm', 'ssh', name, '--', 'true')))
    return Math.min(...times)
  }
}

/** Alternates boots with and without Strongroom, so that other load affects both. */
export async function measureBoot(): Promise<BootFigures> {
  const bench = await BootBench.open()
  try {
    step('builds the images')
    const image = await bench.image(recipeSources.reference)
    const stock = await bench.bare({
      image: await bench.image(stockImage),
      encryption: 'VMGuestStateOnly',
      console: stockStarted,
      firmware: guestFirmwarePath,
    })
    const smallImage = await bench.image(recipeSources.minimal)
    step('creates VMs')
    const create = await bench.create('one')
    await bench.power('one', 'deallocate')
    await bench.create('small', smallImage)
    await bench.power('small', 'deallocate')
    step('boots the same machine under bare QEMU for the first time, then stock Debian')
    const same = await bench.bare({ image, encryption: 'DiskWithVMGuestState' })
    const bareFirst = await same.boot()
    await stock.boot()
    const times = { start: [] as number[], bare: [] as number[], stock: [] as number[], minimal: [] as number[] }
    for (let round = 0; round < rounds; round++) {
      step(`boots bare QEMU, the VM, the minimal VM and stock Debian (${round + 1} of ${rounds})`)
      times.bare.push(await same.boot())
      times.start.push(await bench.power('one', 'start'))
      await bench.power('one', 'deallocate')
      times.minimal.push(await bench.power('small', 'start'))
      await bench.power('small', 'deallocate')
      times.stock.push(await stock.boot())
    }
    await bench.power('one', 'start')
    step('leaves the VM alone, then measures SSH')
    const idlePercent = await bench.idlePercent('one')
    const ssh = await bench.ssh('one')
    const resident = [await bench.resident()]
    for (const name of ['two', 'three']) {
      step(`reads the server's memory with ${resident.length + 1} running VMs`)
      await bench.create(name)
      await sleep(15_000)
      resident.push(await bench.resident())
    }
    return {
      create,
      start: Math.min(...times.start),
      bareFirst,
      bareLater: Math.min(...times.bare),
      stock: Math.min(...times.stock),
      minimal: Math.min(...times.minimal),
      idlePercent,
      ssh,
      resident,
    }
  } finally {
    await bench.close()
  }
}
