import { access, constants, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryBackedDirectory, startProgram } from '@strongroom/platform'
import type { Acceleration } from './arguments.ts'
import { readFirmware } from '@strongroom/paravisor/expected'

export interface ProbeResult {
  acceleration: Acceleration
  /** Why not KVM, in a plain sentence. */
  notice?: string
}

/** OVMF writes to its debug-free console within this time under working KVM. */
const firmwareLimitMs = 8_000

/**
 * Which acceleration really works. An openable /dev/kvm may not: on nested hosts QEMU dies in firmware. So the real
 * firmware runs for a few seconds. The result is kept until the kernel or QEMU changes.
 */
export async function probeAcceleration(o: { cacheDir: string }): Promise<ProbeResult> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch {
    return {
      acceleration: 'tcg',
      notice: 'This user cannot use /dev/kvm: guests run under emulation, which is slower.',
    }
  }
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const path = join(o.cacheDir, 'acceleration.json')
  const kept = await readFile(path, 'utf8').then(
    (text) => JSON.parse(text) as { bootId: string; result: ProbeResult },
    () => undefined,
  )
  if (kept?.bootId === bootId) return kept.result
  const result: ProbeResult = (await firmwareRuns())
    ? { acceleration: 'kvm' }
    : {
        acceleration: 'tcg',
        notice: '/dev/kvm opens but does not run firmware here: guests run under emulation, which is slower.',
      }
  await mkdir(o.cacheDir, { recursive: true })
  await writeFile(path, JSON.stringify({ bootId, result }), { mode: 0o600 })
  return result
}

/** True if the firmware reaches its boot menu, which it shows on the serial console. */
async function firmwareRuns(): Promise<boolean> {
  const directory = await memoryBackedDirectory('kvm-probe')
  try {
    const firmware = join(directory, 'firmware.fd')
    const serial = join(directory, 'serial.log')
    await writeFile(firmware, await readFirmware(), { mode: 0o600 })
    const qemu = startProgram({
      command: 'qemu-system-x86_64',
      args: [
        '-nodefaults',
        '-no-user-config',
        '-display',
        'none',
        '-machine',
        'q35,smm=on',
        '-accel',
        'kvm',
        '-cpu',
        'host',
        '-m',
        '256M',
        '-global',
        'driver=cfi.pflash01,property=secure,value=on',
        '-drive',
        `if=pflash,unit=0,format=raw,readonly=on,file=${firmware}`,
        '-chardev',
        `file,id=serial,path=${serial}`,
        '-serial',
        'chardev:serial',
        '-no-reboot',
      ],
      newSession: true,
      dieWithParent: true,
    })
    let ended = false
    void qemu.exited.then(() => (ended = true))
    let ran = false
    for (let waited = 0; waited < firmwareLimitMs && !ended && !ran; waited += 100) {
      await sleep(100)
      ran = (await readFile(serial).catch(() => Buffer.alloc(0))).includes('Bds')
    }
    qemu.kill('SIGKILL')
    await qemu.exited
    return ran
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
