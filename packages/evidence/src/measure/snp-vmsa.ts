/** First state of a virtual processor as QEMU and KVM set it, which the launch digest covers (AMD64 manual volume 2, VMSA). */

const pageLength = 4096

/** Offsets of the fields of the VMSA that are not zero at launch. */
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

/** Where the first processor begins: the reset vector. */
export const bootProcessorAddress = 0xfffffff0

/**
 * @param o.address first instruction
 * @param o.cpuSignature CPUID function 1 EAX, which QEMU leaves in RDX as a processor does after reset
 * @param o.sevFeatures SEV_FEATURES; bit 0 is SNP
 */
export function buildVmsa(o: { address: number; cpuSignature: number; sevFeatures: bigint }): Uint8Array {
  const page = new Uint8Array(pageLength)
  const view = new DataView(page.buffer)
  const segment = (offset: number, selector: number, attributes: number, base: number): void => {
    view.setUint16(offset, selector, true)
    view.setUint16(offset + 2, attributes, true)
    view.setUint32(offset + 4, 0xffff, true)
    view.setBigUint64(offset + 8, BigInt(base), true)
  }
  const quad = (offset: number, value: bigint): void => view.setBigUint64(offset, value, true)
  for (const offset of [at.es, at.ss, at.ds, at.fs, at.gs]) segment(offset, 0, 0x93, 0)
  segment(at.cs, 0xf000, 0x9b, (o.address & 0xffff0000) >>> 0)
  segment(at.gdtr, 0, 0, 0)
  segment(at.ldtr, 0, 0x82, 0)
  segment(at.idtr, 0, 0, 0)
  segment(at.tr, 0, 0x8b, 0)
  quad(at.efer, 0x1000n)
  quad(at.cr4, 0x40n)
  quad(at.cr0, 0x10n)
  quad(at.dr7, 0x400n)
  quad(at.dr6, 0xffff0ff0n)
  quad(at.rflags, 2n)
  quad(at.rip, BigInt(o.address & 0xffff))
  quad(at.gpat, 0x0007040600070406n)
  quad(at.rdx, BigInt(o.cpuSignature))
  quad(at.sevFeatures, o.sevFeatures)
  quad(at.xcr0, 1n)
  view.setUint32(at.mxcsr, 0x1f80, true)
  view.setUint16(at.fcw, 0x37f, true)
  return page
}

/** CPUID function 1 EAX of family, model and stepping. */
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

/** CPUID signature of QEMU's processor type; undefined when it is not known. */
export function cpuSignatureOf(vcpuType: string): number | undefined {
  return cpuModels.get(vcpuType.replace(/-v\d+$/, ''))
}
