import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InstanceSpec, PowerState, VmOrder } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { PeerDisks } from '../../../services/host/src/agent/guests/peer-disks.ts'
import type { VmPeer } from '../../../services/host/src/agent/guests/vm-peer.ts'
import type { VmFiles } from '../../../services/host/src/records/layout.ts'
import { attestedBoot, type HadRelease } from './attested-boot.ts'

const writer = join(import.meta.dirname, '../disk/writer.ts')
const retryMs = 200

/** One VM at one epoch: it gets its key, and then its writer gets its disk through QEMU's door. */
export class WrittenGuest {
  readonly epoch: number
  readonly #peer: VmPeer
  readonly #directory: string
  readonly #onRelease: (had: HadRelease) => void
  readonly #disks: PeerDisks
  readonly #over = new AbortController()
  #writer: ChildProcess | undefined
  #disk: Awaited<ReturnType<PeerDisks['open']>> | undefined
  #order: VmOrder
  /** The number of its current start. */
  #run = -1
  #queue: Promise<void> = Promise.resolve()

  constructor(o: { peer: VmPeer; order: VmOrder; directory: string; onRelease: (had: HadRelease) => void }) {
    this.#peer = o.peer
    this.#order = o.order
    this.epoch = o.order.epoch
    this.#directory = o.directory
    this.#onRelease = o.onRelease
    this.#disks = new PeerDisks(o.peer, undefined as never)
  }

  follow(order: VmOrder): void {
    this.#order = order
    this.#queue = this.#queue.then(async () => await this.#carryOut()).catch(() => {})
  }

  end(): void {
    this.#over.abort()
    this.#disks.close()
    this.#writer?.kill('SIGKILL')
  }

  async #carryOut(): Promise<void> {
    const { run, wanted } = this.#order
    const spec = this.#order.spec as InstanceSpec
    if (this.#over.signal.aborted || run === this.#run) return
    if (wanted === 'Stopped') return await this.#say('Stopped', spec)
    this.#writer?.kill('SIGKILL')
    this.#writer = undefined
    await this.#disk?.close()
    this.#disk = undefined
    this.#onRelease(await this.#again(async () => await attestedBoot(this.#peer, spec)))
    this.#writer = await this.#startWriter(spec)
    this.#run = run
    await this.#say('Ready', spec)
  }

  async #startWriter(spec: InstanceSpec): Promise<ChildProcess> {
    const runtimeDir = join(this.#directory, `${this.#peer.vmId}-${this.epoch}-${Date.now()}`)
    await mkdir(runtimeDir, { recursive: true })
    this.#disk = await this.#disks.open(spec, {} as VmFiles, { runtimeDir, user: undefined })
    const { disk } = this.#disk
    const socket = typeof disk === 'string' ? disk : disk.nbd
    const confirmed = join(this.#directory, `${this.#peer.vmId}.confirmed`)
    if (this.#over.signal.aborted) throw new Error('it is over')
    return spawn(
      process.execPath,
      ['--conditions=x-source', '--disable-warning=ExperimentalWarning', writer, socket, String(this.epoch), confirmed],
      { stdio: 'ignore' },
    )
  }

  async #say(state: PowerState, spec: InstanceSpec): Promise<void> {
    const { placement: _placement, ...shown } = spec
    const status = {
      vmId: this.#peer.vmId,
      spec: shown,
      provisioning: { state: 'Succeeded', steps: [] },
      power: { state, since: new Date().toISOString(), steps: [] },
      notices: [],
    }
    await this.#again(async () => await this.#peer.post('/instance', { run: this.#order.run, status, record: {} }))
  }

  /** Until it is done, or the VM is no longer this host's. */
  async #again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (this.#over.signal.aborted) throw error
        if (error instanceof ServiceError && error.code === 'PlacementOver') throw error
        await sleep(retryMs)
      }
    }
  }
}
