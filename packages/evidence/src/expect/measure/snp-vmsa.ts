import { ParseError } from '../../core/errors.ts'

/** Initial state of a virtual processor as the hypervisor sets it, which the launch digest covers (AMD64 manual volume 2, VMSA). */

const pageLength = 4096

/** Offsets of the VMSA fields that are not zero at launch. */
const at = {
  es: 0x000,
  cs: 0x010,
  ss: 0x020,
  ds: 0x030,
  fs: 0x040,
  gs: 0x050,
  gdtr: 0x060,
  ldtr: 0x070,
  idtr: 0x080,
  tr: 0x090,
  efer: 0x0d0,
  cr4: 0x148,
  cr0: 0x158,
  dr7: 0x160,
  dr6: 0x168,
  rflags: 0x170,
  rip: 0x178,
  gpat: 0x268,
  rdx: 0x310,
  sevFeatures: 0x3b0,
  xcr0: 0x3e8,
  mxcsr: 0x408,
  fcw: 0x410,
} as const

/** Entry point of the first processor: the reset vector. */
export const bootProcessorAddress = 0xfffffff0

/** Hypervisors whose initial state is known: QEMU with KVM, Amazon EC2, Google Compute Engine. */
export type SnpHypervisor = 'qemu' | 'ec2' | 'gce'

interface FirstState {
  /** Attributes of CS (of the first processor, of further ones), SS and TR. */
  cs: readonly [first: number, further: number]
  ss: number
  tr: number
  /** RDX; undefined for the processor's signature, which RDX holds after reset. */
  rdx: number | undefined
  pat: bigint
  mxcsr: number
  fcw: number
}

const firstStates: Readonly<Record<SnpHypervisor, FirstState>> = {
  qemu: { cs: [0x9b, 0x9b], ss: 0x93, tr: 0x8b, rdx: undefined, pat: 0x0007040600070406n, mxcsr: 0x1f80, fcw: 0x37f },
  ec2: { cs: [0x9a, 0x9b], ss: 0x92, tr: 0x83, rdx: 0x600, pat: 0x0007040600070406n, mxcsr: 0, fcw: 0 },
  gce: { cs: [0x9b, 0x9b], ss: 0x93, tr: 0x8b, rdx: 0x600, pat: 0x0000000000070106n, mxcsr: 0, fcw: 0 },
}

class Vmsa {
  readonly page = new Uint8Array(pageLength)
  readonly #view = new DataView(this.page.buffer)

  segment(offset: number, selector: number, attributes: number, limit: number, base = 0): this {
    this.#view.setUint16(offset, selector, true)
    this.#view.setUint16(offset + 2, attributes, true)
    this.#view.setUint32(offset + 4, limit, true)
    this.#view.setBigUint64(offset + 8, BigInt(base), true)
    return this
  }

  quad(offset: number, value: bigint): this {
    this.#view.setBigUint64(offset, value, true)
    return this
  }

  /** Fields that are the same everywhere. */
  common(o: {
    rip: number
    cr0: bigint
    rdx: number
    pat: bigint
    mxcsr: number
    fcw: number
    sevFeatures: bigint
  }): this {
    this.segment(at.gdtr, 0, 0, 0xffff).segment(at.ldtr, 0, 0x82, 0xffff).segment(at.idtr, 0, 0, 0xffff)
    this.quad(at.efer, 0x1000n).quad(at.cr4, 0x40n).quad(at.cr0, o.cr0)
    this.quad(at.dr7, 0x400n).quad(at.dr6, 0xffff0ff0n).quad(at.rflags, 2n)
    this.quad(at.rip, BigInt(o.rip)).quad(at.gpat, o.pat).quad(at.rdx, BigInt(o.rdx))
    this.quad(at.sevFeatures, o.sevFeatures).quad(at.xcr0, 1n)
    this.#view.setUint32(at.mxcsr, o.mxcsr, true)
    this.#view.setUint16(at.fcw, o.fcw, true)
    return this
  }
}

/**
 * @param o.address first instruction
 * @param o.cpuSignature CPUID function 1 EAX
 * @param o.sevFeatures SEV_FEATURES; bit 0 is SNP
 */
export function buildVmsa(o: {
  address: number
  cpuSignature: number
  sevFeatures: bigint
  hypervisor?: SnpHypervisor
}): Uint8Array {
  const { cs, ss, tr, rdx, ...registers } = firstStates[o.hypervisor ?? 'qemu']
  const vmsa = new Vmsa()
  for (const offset of [at.es, at.ds, at.fs, at.gs]) vmsa.segment(offset, 0, 0x93, 0xffff)
  return vmsa
    .segment(at.ss, 0, ss, 0xffff)
    .segment(at.cs, 0xf000, cs[o.address === bootProcessorAddress ? 0 : 1], 0xffff, (o.address & 0xffff0000) >>> 0)
    .segment(at.tr, 0, tr, 0xffff)
    .common({
      ...registers,
      rip: o.address & 0xffff,
      cr0: 0x10n,
      rdx: rdx ?? o.cpuSignature,
      sevFeatures: o.sevFeatures,
    }).page
}

/** State of every processor under an SVSM: 32-bit protected mode at the SVSM's entry (COCONUT-SVSM's QEMU). */
export function buildSvsmVmsa(o: { address: number; cpuSignature: number; sevFeatures: bigint }): Uint8Array {
  const vmsa = new Vmsa()
  for (const offset of [at.es, at.ss, at.ds, at.fs]) vmsa.segment(offset, 16, 0xc93, 0xffffffff)
  return vmsa
    .segment(at.gs, 0, 0x93, 0xffff)
    .segment(at.cs, 8, 0xc9b, 0xffffffff)
    .segment(at.tr, 0, 0x8b, 0xffff)
    .common({
      rip: o.address,
      cr0: 0x11n,
      rdx: o.cpuSignature,
      pat: firstStates.qemu.pat,
      mxcsr: 0x1f80,
      fcw: 0,
      sevFeatures: o.sevFeatures,
    }).page
}

/**
 * CPUID function 1 EAX of family, model and stepping.
 * @example
 * import { cpuSignature } from '@strongroom/evidence/expected'
 *
 * cpuSignature(25, 1, 1).toString(16) // => 'a00f11'
 */
export function cpuSignature(family: number, model: number, stepping: number): number {
  const [base, extended] = family > 0xf ? [0xf, family - 0xf] : [family, 0]
  return (extended << 20) | ((model >> 4) << 16) | (base << 8) | ((model & 0xf) << 4) | (stepping & 0xf)
}

/** QEMU's names of AMD's server processors; `-vN` versions share the identity of their base. */
const cpuModels: ReadonlyMap<string, number> = new Map([
  ['EPYC', cpuSignature(23, 1, 2)],
  ['EPYC-IBPB', cpuSignature(23, 1, 2)],
  ['EPYC-Rome', cpuSignature(23, 49, 0)],
  ['EPYC-Milan', cpuSignature(25, 1, 1)],
  ['EPYC-Genoa', cpuSignature(25, 17, 0)],
  ['EPYC-Turin', cpuSignature(26, 0, 0)],
])

/**
 * CPUID signature of QEMU's processor type; undefined if unknown.
 * @example
 * import { cpuSignature, cpuSignatureOf } from '@strongroom/evidence/expected'
 *
 * cpuSignatureOf('EPYC-Milan') === cpuSignature(25, 1, 1) // => true
 * cpuSignatureOf('Opteron_G5') // => undefined
 */
export function cpuSignatureOf(vcpuType: string): number | undefined {
  return cpuModels.get(vcpuType.replace(/-v\d+$/, ''))
}

/** Signature of a guest's processor, by its number or its name. @throws ParseError UnknownType */
export function requireCpuSignature(o: { vcpuType?: string; cpuSignature?: number }): number {
  const signature = o.cpuSignature ?? (o.vcpuType === undefined ? undefined : cpuSignatureOf(o.vcpuType))
  if (signature !== undefined) return signature
  throw new ParseError({ code: 'UnknownType', message: 'Processor type is not known', found: o.vcpuType ?? 'none' })
}
