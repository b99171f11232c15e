import type { ServiceError } from '@strongroom/platform'
import type { Acceleration } from '../qemu/arguments.ts'
import type { GuestConsole } from '../qemu/serial-log.ts'
import type { GuestEnd } from '../qemu/vm-process.ts'

export type BootOutcome =
  | { kind: 'ready' }
  | { kind: 'ended'; end: GuestEnd }
  | { kind: 'refused'; error: ServiceError }
  | { kind: 'bootLoader'; line: string }
  /** The guest's agent applies no other settings than those that its vTPM was made for. */
  | { kind: 'settings'; line: string }
  | { kind: 'timeout'; seconds: number }
  /** No progress on the console for this long. */
  | { kind: 'silent'; seconds: number }

/** From power-on to the guest's report. */
const limitSeconds: Record<Acceleration, number> = { kvm: 60, tcg: 600 }

/**
 * How long a guest's console may show no progress before the guest counts as hung: a share of its limit that leaves time
 * for a second boot, and at least this many seconds.
 */
const silentShare = 0.4
const leastSilentSeconds = 60

/** OVMF's output when nothing on the disk may be started (MdeModulePkg, BdsDxe). It then waits for a key forever. */
const firmwareGaveUp = /BdsDxe: (?:failed to (?:load|start) Boot\d+[^\r\n]*|No bootable option[^\r\n]*)/

/** image/recipes/common/agent */
const settingsRefused = /strongroom: settings refused, nothing was applied: [^\r\n]+(?=[\r\n])/

/** Waits for a boot's outcome. Never rejects. */
export async function awaitBoot(o: {
  ended: Promise<GuestEnd>
  ready: Promise<void>
  refused: Promise<ServiceError>
  console: Pick<GuestConsole, 'head' | 'progress'>
  acceleration: Acceleration
  limitSeconds?: number
  /** Called each second: if true, a silent console does not indicate a hung guest. */
  silenceExcused(): boolean
}): Promise<BootOutcome> {
  const seconds = o.limitSeconds ?? limitSeconds[o.acceleration]
  const timers: NodeJS.Timeout[] = []
  const timeout = new Promise<BootOutcome>((resolve) => {
    timers.push(setTimeout(() => resolve({ kind: 'timeout', seconds }), seconds * 1000))
  })
  const silentSeconds = Math.max(leastSilentSeconds, seconds * silentShare)
  let [progress, silentFor] = [0, 0]
  const console = new Promise<BootOutcome>((resolve) => {
    const look = (): void => {
      silentFor = o.console.progress() > progress || o.silenceExcused() ? 0 : silentFor + 1
      // It falls where a line turns out to be the kernel's.
      progress = Math.max(progress, o.console.progress())
      if (silentFor >= silentSeconds) resolve({ kind: 'silent', seconds: silentSeconds })
      const line = firmwareGaveUp.exec(o.console.head())?.[0]
      if (line !== undefined) resolve({ kind: 'bootLoader', line: line.slice(0, 200) })
      const settings = settingsRefused.exec(o.console.head())?.[0]
      if (settings !== undefined) resolve({ kind: 'settings', line: settings.slice(0, 400) })
    }
    timers.push(setInterval(look, 1_000))
  })
  try {
    return await Promise.race([
      o.ready.then((): BootOutcome => ({ kind: 'ready' })),
      o.refused.then((error): BootOutcome => ({ kind: 'refused', error })),
      o.ended.then((end): BootOutcome => ({ kind: 'ended', end })),
      console,
      timeout,
    ])
  } finally {
    for (const timer of timers) clearTimeout(timer)
  }
}
