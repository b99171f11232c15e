import type { ServiceError } from '@strongroom/platform'
import type { Acceleration } from '../qemu/arguments.ts'
import type { GuestConsole } from '../qemu/serial-log.ts'
import type { GuestEnd } from '../qemu/vm-process.ts'

export type BootOutcome =
  | { kind: 'ready' }
  | { kind: 'ended'; end: GuestEnd }
  | { kind: 'refused'; error: ServiceError }
  | { kind: 'bootLoader'; line: string }
  | { kind: 'timeout'; seconds: number }

/** From power-on to the guest's report. */
const limitSeconds: Record<Acceleration, number> = { kvm: 60, tcg: 600 }

/** What OVMF writes when nothing on the disk may be started (MdeModulePkg, BdsDxe). It then waits for a key for ever. */
const firmwareGaveUp = /BdsDxe: (?:failed to (?:load|start) Boot\d+[^\r\n]*|No bootable option[^\r\n]*)/

/** Waits for what a boot comes to. Never rejects. */
export async function awaitBoot(o: {
  ended: Promise<GuestEnd>
  ready: Promise<void>
  refused: Promise<ServiceError>
  console: Pick<GuestConsole, 'head'>
  acceleration: Acceleration
  limitSeconds?: number
}): Promise<BootOutcome> {
  const seconds = o.limitSeconds ?? limitSeconds[o.acceleration]
  const timers: NodeJS.Timeout[] = []
  const timeout = new Promise<BootOutcome>((resolve) => {
    timers.push(setTimeout(() => resolve({ kind: 'timeout', seconds }), seconds * 1000))
  })
  const firmware = new Promise<BootOutcome>((resolve) => {
    const look = (): void => {
      const line = firmwareGaveUp.exec(o.console.head())?.[0]
      if (line !== undefined) resolve({ kind: 'bootLoader', line: line.slice(0, 200) })
    }
    timers.push(setInterval(look, 1_000))
  })
  try {
    return await Promise.race([
      o.ready.then((): BootOutcome => ({ kind: 'ready' })),
      o.refused.then((error): BootOutcome => ({ kind: 'refused', error })),
      o.ended.then((end): BootOutcome => ({ kind: 'ended', end })),
      firmware,
      timeout,
    ])
  } finally {
    for (const timer of timers) clearTimeout(timer)
  }
}
