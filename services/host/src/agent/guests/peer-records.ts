import { setTimeout as sleep } from 'node:timers/promises'
import type { AnyBootEvidence } from '@strongroom/contract'
import { ServiceError, type Logger } from '@strongroom/platform'
import { toStatus, type InstanceRecord } from '../../records/record.ts'
import type { InstanceRecords } from '../../instances/services.ts'
import type { VmPeer } from './vm-peer.ts'

const retryMs = 500

/** One VM's record, stored by the control plane so that the VM's next host continues from it. The last one saved counts. */
export class PeerRecords implements InstanceRecords {
  readonly #peer: VmPeer
  readonly #logger: Logger
  /** The start that the saved state refers to. */
  run = 0
  /** What the guest names its boot by, while it runs. */
  bootNumber: () => string | undefined = () => undefined
  #last: object | undefined
  #evidence: AnyBootEvidence | undefined
  #isNewEvidence = false
  #sending: Promise<void> | undefined
  #isOver = false

  constructor(peer: VmPeer, logger: Logger) {
    this.#peer = peer
    this.#logger = logger
  }

  /** Nothing more is reported about the VM. */
  close(): void {
    this.#isOver = true
  }

  async list(): Promise<InstanceRecord[]> {
    return await Promise.resolve([])
  }

  /** Reaches the control plane once it answers; the VM does not wait for it. */
  async save(record: InstanceRecord): Promise<void> {
    // Another host has no use for this one's port.
    const { spec: _spec, power: _power, sshPort: _port, provisioning, ...kept } = record
    const bootNumber = this.bootNumber()
    const status = { ...toStatus(record), ...(bootNumber !== undefined && { bootNumber }) }
    this.#last = structuredClone({ run: this.run, status, record: { ...kept, provisioning } })
    void this.sent()
    return await Promise.resolve()
  }

  /** Resolves once the control plane has everything saved so far, or wants nothing more of the VM. */
  async sent(): Promise<void> {
    if (this.#last === undefined && this.#sending === undefined) return
    await (this.#sending ??= this.#send())
  }

  async saveEvidence(_vmId: string, evidence: AnyBootEvidence): Promise<void> {
    this.#evidence = evidence
    this.#isNewEvidence = true
    return await Promise.resolve()
  }

  async evidence(): Promise<AnyBootEvidence | undefined> {
    return await Promise.resolve(this.#evidence)
  }

  async remove(): Promise<void> {
    await Promise.resolve()
  }

  async #send(): Promise<void> {
    while (this.#last !== undefined && !this.#isOver) {
      const said = this.#last
      const evidence = this.#isNewEvidence ? this.#evidence : undefined
      try {
        await this.#peer.post('/instance', { ...said, ...(evidence !== undefined && { evidence }) })
        if (this.#last === said) this.#last = undefined
        if (this.#evidence === evidence) this.#isNewEvidence = false
      } catch (error) {
        if (error instanceof ServiceError && error.code === 'PlacementOver') break
        this.#logger.warn({ err: error }, 'the control plane was not informed of a VM; retrying')
        await sleep(retryMs, undefined, { ref: false })
      }
    }
    this.#sending = undefined
  }
}
