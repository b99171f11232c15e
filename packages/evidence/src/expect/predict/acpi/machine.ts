import { ParseError } from '../../../core/errors.ts'

/** What the ACPI tables of a guest depend on. */
export interface Machine {
  technology: 'SNP' | 'TDX'
  vCPUs: number
  memoryMiB: number
  /** Network interfaces, including the primary one. */
  interfaces: number
}

/**
 * The most of each that a machine may have: up to here the tables were compared with QEMU's.
 * @example
 * import { machineLimits } from '@strongroom/evidence/expected'
 *
 * machineLimits.vCPUs // => [1, 128]
 */
export const machineLimits = { vCPUs: [1, 128], memoryMiB: [512, 768 * 1024], interfaces: [1, 8] } as const

/** @throws ParseError InvalidValue */
export function assertMachine(o: Machine): void {
  for (const [member, [least, most]] of Object.entries(machineLimits)) {
    const found = o[member as keyof typeof machineLimits]
    if (Number.isInteger(found) && found >= least && found <= most) continue
    throw new ParseError({
      code: 'InvalidValue',
      message: `machine: ${member} is ${found}, not a whole number from ${least} to ${most}`,
    })
  }
}

const gibibyte = 2 ** 30

/** Memory below 4 GiB, where 32-bit PCI addresses begin (QEMU, hw/i386/pc_q35.c). */
export function lowMemory({ memoryMiB }: Pick<Machine, 'memoryMiB'>): number {
  const memory = memoryMiB * 2 ** 20
  return memory >= 0xb000_0000 ? 2 * gibibyte : memory
}

/** What OVMF reserves for 64-bit PCI addresses. */
export const pciWindowBytes = 32 * gibibyte

/**
 * Where OVMF places 64-bit PCI addresses (PlatformInitLib, MemDetect.c): with a processor whose address width it
 * trusts, which is AMD's, the last quarter of its 40 bits; else a separate 32 GiB after the memory.
 * @example
 * import { pciWindow } from '@strongroom/evidence/expected'
 *
 * pciWindow({ technology: 'SNP', memoryMiB: 8192 }) === 0xc0_0000_0000 // => true
 * pciWindow({ technology: 'TDX', memoryMiB: 8192 }) === 32 * 2 ** 30 // => true
 */
export function pciWindow(o: Pick<Machine, 'technology' | 'memoryMiB'>): number {
  if (o.technology === 'SNP') return 2 ** 40 - 2 ** 38
  const end = 4 * gibibyte + o.memoryMiB * 2 ** 20 - lowMemory(o)
  return Math.ceil(end / pciWindowBytes) * pciWindowBytes
}
