import { createHash } from 'node:crypto'
import { EvidenceError } from '@strongroom/evidence'
import { parseVariableStore } from '@strongroom/evidence/expected'
import { ServiceError } from '@strongroom/platform'

/** What a machine's flash has to hold at power-on: the firmware that its launch measured, and the VM's variables. SHA-256, hexadecimal. */
export interface MeasuredFlash {
  firmware: string
  variables: string
}

/** A machine as the one who started it shows it. */
export interface PausedMachine {
  /** QEMU's run state, for example `prelaunch`. */
  status(): Promise<string>
  /** Physical memory as the processors see it. */
  read(address: number, bytes: number): Promise<Buffer>
}

/** Lengths of both. */
export type FlashBytes = Record<keyof MeasuredFlash, number>

const fourGibibytes = 2 ** 32
/** The end of the firmware, once more below 1 MiB (QEMU, hw/i386/x86-common.c). */
const lowEnd = 2 ** 20
const lowBytes = 2 ** 17

/**
 * A paused machine that has not run yet has, where its processors begin, the firmware that was measured, and below it the variables
 * that the paravisor laid down: an argument, a file or a device of the host's did not put others there.
 * @throws ServiceError FirmwareExchanged, VariablesExchanged
 */
export async function assertMapped(machine: PausedMachine, flash: FlashBytes, measured: MeasuredFlash): Promise<void> {
  const status = await machine.status()
  if (status !== 'prelaunch') throw exchanged('a machine that has not run', `one that is ${status}`)
  const found = await machine.read(fourGibibytes - flash.firmware, flash.firmware)
  if (digestOf(found) !== measured.firmware)
    throw exchanged(`SHA-256 ${measured.firmware}`, `SHA-256 ${digestOf(found)}`)
  const low = await machine.read(lowEnd - lowBytes, lowBytes)
  if (!low.equals(found.subarray(found.length - lowBytes)))
    throw exchanged('the end of the firmware below 1 MiB', 'other code')
  const variables = digestOf(await readVariables(machine, flash))
  if (variables !== measured.variables) throw otherVariables(measured.variables, variables)
}

/** The flash of UEFI variables, which lies below the firmware's. */
async function readVariables(
  machine: Pick<PausedMachine, 'read'>,
  { firmware, variables }: FlashBytes,
): Promise<Buffer> {
  return await machine.read(fourGibibytes - firmware - variables, variables)
}

/** How often a flash is read that the firmware is writing to. */
const mostReads = 8

/**
 * The UEFI variables as the guest has them. Read from the machine, because the host can write to the file. While its firmware writes a
 * byte, a flash answers with its status instead of its content: content is a store of variables that was written to the file, or reads
 * alike twice.
 * @param written what the file holds
 * @throws Error if there is none
 */
export async function mappedVariables(
  machine: Pick<PausedMachine, 'read'>,
  flash: FlashBytes,
  written: Uint8Array,
): Promise<Buffer> {
  let before = written
  for (let reads = 0; reads < mostReads; reads++) {
    const found = await readVariables(machine, flash)
    if (found.equals(before) && isStore(found)) return found
    before = found
  }
  throw new Error('the flash of UEFI variables did not come to rest')
}

function isStore(flash: Uint8Array): boolean {
  try {
    return parseVariableStore(flash).length >= 0
  } catch (error) {
    if (error instanceof EvidenceError) return false
    throw error
  }
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const exchanged = (expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'FirmwareExchanged',
    message: 'QEMU does not have the firmware that was measured at the launch. No instruction of it ran.',
    target: 'firmware',
    expected,
    found,
    remedy: 'Find out who changed the VM’s firmware file or QEMU’s arguments on this host, then start the VM again.',
  })

const otherVariables = (expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'VariablesExchanged',
    message: 'QEMU has other UEFI variables than the VM’s. Nothing of it ran.',
    target: 'variables',
    expected: `SHA-256 ${expected}`,
    found: `SHA-256 ${found}`,
    remedy: 'Find out who changed the VM’s variables file or QEMU’s arguments on this host, then start the VM again.',
  })
