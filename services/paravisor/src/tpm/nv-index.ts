/** A vTPM index filled at every boot. */
export interface NvIndex {
  index: number
  /** TPMA_NV without `written` (TPM 2.0 part 2, section 13.4). */
  attributes: number
  /** Hierarchy that defines it, and therefore can remove it. */
  definedBy: 'p' | 'o'
  /** Whose authorisation writes it; all authorisations are empty. */
  writtenBy: 'p' | 'index'
}

const bits = {
  ppWrite: 0x1,
  ownerWrite: 0x2,
  authWrite: 0x4,
  ppRead: 0x1_0000,
  ownerRead: 0x2_0000,
  authRead: 0x4_0000,
  noDa: 0x200_0000,
  platformCreate: 0x4000_0000,
}
export const platformCreate: number = bits.platformCreate

/** libtpms's limit per index. */
export const nvIndexLength = 2048

/**
 * The report is readable and writable as on Azure. The attestation key's certificate belongs to the owner hierarchy,
 * because Azure's client replaces the index after renewing the certificate. The endorsement key's certificate is where
 * TCG puts that of a low-range RSA-2048 key (EK Credential Profile, section 2.2.1.4), and the guest cannot write it.
 */
export const nvIndices: Record<'hclReport' | 'akCertificate' | 'ekCertificate', NvIndex> = {
  hclReport: {
    index: 0x0140_0001,
    attributes: bits.authRead + bits.authWrite + bits.ownerRead + bits.noDa + bits.platformCreate,
    definedBy: 'p',
    writtenBy: 'index',
  },
  akCertificate: {
    index: 0x01c1_01d0,
    attributes: bits.authRead + bits.authWrite + bits.ownerRead + bits.ownerWrite + bits.noDa,
    definedBy: 'o',
    writtenBy: 'index',
  },
  ekCertificate: {
    index: 0x01c0_0002,
    attributes: bits.ppRead + bits.ppWrite + bits.authRead + bits.ownerRead + bits.noDa + bits.platformCreate,
    definedBy: 'p',
    writtenBy: 'p',
  },
}

export const hexOf = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`

/** TPMA_NV_WRITTEN, set by the first write and not part of the definition. */
const written = 0x2000_0000

/** What is defined, by index. */
export type Defined = ReadonlyMap<number, { attributes: number; size: number }>

/** `tpm2_nvreadpublic` prints it as YAML. */
export function parseNvPublic(text: string): Defined {
  const found = new Map<number, { attributes: number; size: number }>()
  for (const block of text.split(/^(?=0x[0-9a-f]+:$)/im)) {
    const index = /^(0x[0-9a-f]+):$/im.exec(block)?.[1]
    const attributes = /attributes:\s*\n\s*friendly:.*\n\s*value: (0x[0-9a-f]+)/i.exec(block)?.[1]
    const size = /^\s*size: (\d+)$/m.exec(block)?.[1]
    if (index === undefined || attributes === undefined || size === undefined) continue
    const value = Number(attributes)
    found.set(Number(index), { attributes: (value & written) === 0 ? value : value - written, size: Number(size) })
  }
  return found
}
