import { open } from 'node:fs/promises'
import type { ServiceError } from '@strongroom/platform'
import type { Acceleration } from '../qemu/arguments.ts'
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
  serialLog: string
  acceleration: Acceleration
  limitSeconds?: number
}): Promise<BootOutcome> {
  const seconds = o.limitSeconds ?? limitSeconds[o.acceleration]
  const timers: NodeJS.Timeout[] = []
  const timeout = new Promise<BootOutcome>((resolve) => {
    timers.push(setTimeout(() => resolve({ kind: 'timeout', seconds }), seconds * 1000))
  })
  const firmware = new Promise<BootOutcome>((resolve) => {
    const look = async (): Promise<void> => {
      const line = firmwareGaveUp.exec(await head(o.serialLog))?.[0]
      if (line !== undefined) resolve({ kind: 'bootLoader', line: line.slice(0, 200) })
    }
    timers.push(setInterval(() => void look(), 1_000))
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

/** The firmware's part of the console comes first. */
async function head(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return ''
  try {
    const bytes = Buffer.alloc(16 * 1024)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    return bytes.toString('latin1', 0, bytesRead)
  } finally {
    await file.close()
  }
}
