import type { TrustAnchor } from '../result/trust-anchors.ts'

/** Processor lines with a root of their own at AMD's key distribution service. */
export const snpProducts = ['Milan', 'Genoa', 'Turin'] as const
export type SnpProduct = (typeof snpProducts)[number]

/**
 * AMD's root keys by their public key's SHA-256, computed from the chains that the key distribution service
 * (kdsintf.amd.com/vcek/v1/{product}/cert_chain) hands out.
 */
export const genuineAmdAnchors: readonly TrustAnchor[] = [
  { name: 'ARK-Milan', spkiSha256: '9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9' },
  { name: 'ARK-Genoa', spkiSha256: '429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831' },
  { name: 'ARK-Turin', spkiSha256: '4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08' },
]

/** Family and model as CPUID function 1 gives them, combined with their extended parts. */
export interface CpuIdentity {
  family: number
  model: number
  stepping: number
}

/** Line of a processor; undefined when it is none that has SNP. Bergamo and Siena are endorsed as Genoa. */
export function productOfCpu(cpu: CpuIdentity): SnpProduct | undefined {
  if (cpu.family === 0x19) {
    if (cpu.model <= 0x0f) return 'Milan'
    if (cpu.model <= 0x1f || (cpu.model >= 0xa0 && cpu.model <= 0xaf)) return 'Genoa'
  }
  if (cpu.family === 0x1a && cpu.model <= 0x1f) return 'Turin'
  return undefined
}

/** Line that a certificate's product name says: `Milan-B0`, `Genoa`. */
export function productOfName(name: string): SnpProduct | undefined {
  const line = /^([A-Za-z]+)(-[A-Z]\d)?$/.exec(name)?.[1]
  return snpProducts.find((product) => product === line)
}
