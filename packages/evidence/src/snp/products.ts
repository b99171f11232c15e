import type { TrustAnchor } from '../x509/trust-anchors.ts'

/** Security versions of a platform's components (SNP ABI specification, TCB_VERSION). */
export interface TcbVersion {
  /** Firmware of the microcontrollers; Turin and later, else 0. */
  fmc: number
  bootLoader: number
  tee: number
  snp: number
  microcode: number
}

/** Family and model from CPUID function 1, combined with their extended parts. */
export interface CpuIdentity {
  family: number
  model: number
  stepping: number
}

/**
 * Processor lines with their own root at AMD's key distribution service, by their name in that root (`ARK-…`), in the
 * intermediates (`SEV-…`, `SEV-VLEK-…`) and in the certificates of keys.
 * @example
 * import { snpProducts } from '@strongroom/evidence'
 *
 * snpProducts.join(', ') // => 'Milan, Genoa, Turin'
 */
export const snpProducts = ['Milan', 'Genoa', 'Turin'] as const
export type SnpProduct = (typeof snpProducts)[number]

/** Everything that differs between AMD's processor lines. A new line is one more name and one more row. */
interface ProductLine {
  family: number
  /** CPUID models, from and to. */
  models: readonly (readonly [from: number, to: number])[]
  /**
   * SHA-256 of the root's SubjectPublicKeyInfo, from the chain that AMD's service publishes
   * (kdsintf.amd.com/vcek/v1/{name}/cert_chain).
   */
  root: string
  /** Component in each byte of TCB_VERSION, least significant first; the others are reserved. */
  tcb: readonly (keyof TcbVersion | undefined)[]
  /** Bytes of a chip's id. */
  hardwareIdLength: number
  /** The line has made reports of version 2, which do not name their line. */
  unnamedReports: boolean
}

const legacyTcb = ['bootLoader', 'tee', undefined, undefined, undefined, undefined, 'snp', 'microcode'] as const
const turinTcb = ['fmc', 'bootLoader', 'tee', 'snp', undefined, undefined, undefined, 'microcode'] as const

const productLines: Readonly<Record<SnpProduct, ProductLine>> = {
  Milan: {
    family: 0x19,
    models: [[0x00, 0x0f]],
    root: '9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9',
    tcb: legacyTcb,
    hardwareIdLength: 64,
    unnamedReports: true,
  },
  // Bergamo and Siena (models from 0xa0) are endorsed as Genoa.
  Genoa: {
    family: 0x19,
    models: [
      [0x10, 0x1f],
      [0xa0, 0xaf],
    ],
    root: '429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831',
    tcb: legacyTcb,
    hardwareIdLength: 64,
    unnamedReports: true,
  },
  Turin: {
    family: 0x1a,
    models: [[0x00, 0x1f]],
    root: '4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08',
    tcb: turinTcb,
    hardwareIdLength: 8,
    unnamedReports: false,
  },
}

export function productLine(product: SnpProduct): ProductLine {
  return productLines[product]
}

/**
 * AMD's root keys.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineAmdAnchors, parseCertificate, parsePem, spkiSha256 } from '@strongroom/evidence'
 *
 * const [, ark] = parsePem(await readFile('cert_chain.pem', 'utf8')).map(parseCertificate)
 * const pin = ark && (await spkiSha256(ark))
 * genuineAmdAnchors.find(({ spkiSha256 }) => spkiSha256 === pin)?.name // => 'ARK-Milan'
 */
export const genuineAmdAnchors: readonly TrustAnchor[] = snpProducts.map((name) => ({
  name: `ARK-${name}`,
  spkiSha256: productLines[name].root,
}))

/**
 * Line of a processor; undefined if it has no SNP.
 * @example
 * import { productOfCpu } from '@strongroom/evidence'
 *
 * productOfCpu({ family: 0x19, model: 0x11 }) // => 'Genoa'
 * productOfCpu({ family: 0x06, model: 0x8f }) // => undefined
 */
export function productOfCpu(cpu: Omit<CpuIdentity, 'stepping'>): SnpProduct | undefined {
  return snpProducts.find((name) => {
    const { family, models } = productLines[name]
    return family === cpu.family && models.some(([from, to]) => cpu.model >= from && cpu.model <= to)
  })
}

/** True if a report can be of this line, by what it states about its processor, or because it states nothing. */
export function mayBeOf(product: SnpProduct, cpu: CpuIdentity | undefined): boolean {
  return cpu === undefined ? productLine(product).unnamedReports : productOfCpu(cpu) === product
}

/**
 * Line named by a certificate's product name: `Milan-B0`, `Genoa`.
 * @example
 * import { productOfName } from '@strongroom/evidence'
 *
 * productOfName('Milan-B0') // => 'Milan'
 * productOfName('Rome') // => undefined
 */
export function productOfName(name: string): SnpProduct | undefined {
  const line = /^([A-Za-z]+)(-[A-Z]\d)?$/.exec(name)?.[1]
  return snpProducts.find((product) => product === line)
}
