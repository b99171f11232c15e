import { randomUUID } from 'node:crypto'
import type { Fault, FaultKind } from '@strongroom/contract/wires'

/** Asked by code whether to fail. Absent if the test API is off. */
export interface FaultSource {
  /** The fault for this subject, if any. It counts as applied. */
  take(kind: FaultKind, subject: string): Fault | undefined
}

export type OnFault = (applied: { fault: Fault; subject: string }) => Promise<void>

/** The faults of one installation. */
export class Faults implements FaultSource {
  #faults: Fault[] = []
  #listener: OnFault | undefined

  /** Called for every application; the caller logs its errors. */
  onApplied(listener: OnFault): void {
    this.#listener = listener
  }

  inject(fault: Omit<Fault, 'id'>): Fault {
    const made = { id: randomUUID(), ...fault }
    this.#faults.push(made)
    return made
  }

  list(): Fault[] {
    return structuredClone(this.#faults)
  }

  /** One fault, or all of them. False if there is no such fault. */
  clear(id?: string): boolean {
    const kept = id === undefined ? [] : this.#faults.filter((fault) => fault.id !== id)
    const found = id === undefined || kept.length < this.#faults.length
    this.#faults = kept
    return found
  }

  take(kind: FaultKind, subject: string): Fault | undefined {
    const text = subject.toLowerCase()
    const fault = this.#faults.find((each) => each.kind === kind && text.includes((each.target ?? '').toLowerCase()))
    if (fault === undefined) return undefined
    if (fault.once) this.clear(fault.id)
    void this.#listener?.({ fault, subject })
    return fault
  }
}
