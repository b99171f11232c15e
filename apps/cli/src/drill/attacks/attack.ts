import type { Host } from '../host/host.ts'
import type { Observation } from '../host/observation.ts'

/** How an attack may end without success. */
export type Ending =
  /** The VM is not started, or the request is refused, with this code and reason. */
  | { kind: 'refused'; code: RegExp; says?: RegExp }
  /** This register differs, which keeps an encrypted disk locked, or makes the boot report of a guest without one be refused. */
  | { kind: 'measured'; register: number }
  /** The guest boots as if unattacked: ready, and every link of its trust report holds. */
  | { kind: 'harmless' }
  /** The guest boots, and its trust report names the failing link. */
  | { kind: 'noticed'; link: RegExp }

/** One action of a malicious host against your VM. */
export interface Attack {
  /** Row of docs/proof/attacks.md, a slash, and a unique name: D1/null-cipher. */
  id: string
  title: string
  /** What the host does, in a sentence. */
  does: string
  /** `held` requires one of these, and no attacker's mark. */
  ends: readonly Ending[]
  /** Starts from the VM as the control run left it, one boot later than the user's. */
  from?: 'later'
  /** Its code runs before the disk's key is requested, like anything a host boots: what counts is whether the boot gets the key. */
  early?: true
  /** It changes the disk’s partition table, which the firmware measures into PCR 5 and nobody predicts. */
  movesPartitions?: boolean
  /** Why it cannot be tried here; undefined if it can. */
  cannot?(host: Host): Promise<string | undefined>
  carryOut(host: Host): Promise<Observation>
}

export const refused = (code: RegExp, says?: RegExp): Ending => ({
  kind: 'refused',
  code,
  ...(says !== undefined && { says }),
})
export const harmless: Ending = { kind: 'harmless' }
export const noticed = (link: RegExp): Ending => ({ kind: 'noticed', link })

export const measured = (register: number): Ending => ({ kind: 'measured', register })
