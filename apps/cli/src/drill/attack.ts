import type { Host } from './host/host.ts'
import type { Observation } from './host/observation.ts'

/** One way in which an attack may end without having got anything. */
export type Ending =
  /** The VM is not started, or the request is refused, with this code and reason. */
  | { kind: 'refused'; code: RegExp; says?: RegExp }
  /** This register differs: an encrypted disk stays closed for it; of a guest without one, the boot report is refused for it. */
  | { kind: 'measured'; register: number }
  /** The guest boots as if nothing had been done: ready, and every link of its trust report holds. */
  | { kind: 'harmless' }
  /** The guest boots, and its trust report names the link that does not hold. */
  | { kind: 'noticed'; link: RegExp }

/** One thing that a malicious host does to your VM. */
export interface Attack {
  /** Row of docs/attacks.md, a slash, and a name of its own: D1/null-cipher. */
  id: string
  title: string
  /** What the host does, in a sentence. */
  does: string
  /** `held` takes one of these, and no mark of the attacker's. */
  ends: readonly Ending[]
  /** Starts from the VM as the control run left it, which has booted once more than the user's. */
  from?: 'later'
  /**
   * Its code runs before the disk's key is asked for, as what a host boots by itself does: it counts whether the boot gets the key.
   */
  early?: true
  /** Why it cannot be tried here; undefined where it can. */
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
