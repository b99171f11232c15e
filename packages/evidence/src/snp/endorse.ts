import { derTag, DerReader } from '../core/der/der-reader.ts'
import { readSmallInteger, stringOf } from '../core/der/der-values.ts'
import { ParseError } from '../core/errors.ts'
import type { Certificate } from '../x509/certificate.ts'
import { extensionReader, findExtension, type Extension } from '../x509/extensions.ts'
import { productLine, productOfName, type SnpProduct, type TcbVersion } from './products.ts'

/**
 * Extensions of VCEK and VLEK certificates (AMD 57230, table "X.509 certificate extensions").
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { amdOid, parseCertificate } from '@strongroom/evidence'
 *
 * const vcek = parseCertificate(await readFile('vcek.der'))
 * vcek.extensions.some((extension) => extension.oid === amdOid.hardwareId) // => true
 */
export const amdOid = {
  structVersion: '1.3.6.1.4.1.3704.1.1',
  productName: '1.3.6.1.4.1.3704.1.2',
  bootLoader: '1.3.6.1.4.1.3704.1.3.1',
  tee: '1.3.6.1.4.1.3704.1.3.2',
  snp: '1.3.6.1.4.1.3704.1.3.3',
  reserved4: '1.3.6.1.4.1.3704.1.3.4',
  reserved5: '1.3.6.1.4.1.3704.1.3.5',
  reserved6: '1.3.6.1.4.1.3704.1.3.6',
  reserved7: '1.3.6.1.4.1.3704.1.3.7',
  microcode: '1.3.6.1.4.1.3704.1.3.8',
  fmc: '1.3.6.1.4.1.3704.1.3.9',
  hardwareId: '1.3.6.1.4.1.3704.1.4',
  providerId: '1.3.6.1.4.1.3704.1.5',
} as const

/** What AMD certifies about a signing key: its chip or provider, and the platform versions it belongs to. */
export interface SnpEndorsement {
  signer: 'VCEK' | 'VLEK'
  product: SnpProduct
  productName: string
  tcb: TcbVersion
  /** VCEK only: as long as the ids of its line. */
  hardwareId: Uint8Array | undefined
  /** VLEK only: the cloud provider. */
  providerId: string | undefined
}

/**
 * Reads the endorsement out of a signing key's certificate. @throws ParseError Missing, InvalidValue, UnknownType, ReservedNotZero
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { describeTcb, parseCertificate, readEndorsement } from '@strongroom/evidence'
 *
 * const { signer, product, tcb } = readEndorsement(parseCertificate(await readFile('vcek.der')))
 * signer // => 'VCEK'
 * product // => 'Milan'
 * describeTcb(tcb) // => 'fmc 0, bootLoader 3, tee 0, snp 8, microcode 115'
 */
export function readEndorsement(certificate: Certificate): SnpEndorsement {
  const productName = readString(certificate, amdOid.productName, 'product name')
  const product = productOfName(productName)
  if (product === undefined) refuse('UnknownType', 'Product is not known', productName)
  for (const name of [amdOid.reserved4, amdOid.reserved5, amdOid.reserved6, amdOid.reserved7]) {
    const extension = findExtension(certificate.extensions, name)
    if (extension !== undefined && readInteger(extension, name) !== 0)
      refuse('ReservedNotZero', 'Reserved version', name)
  }
  const fmc = findExtension(certificate.extensions, amdOid.fmc)
  if ((fmc !== undefined) !== productLine(product).tcb.includes('fmc'))
    refuse('InvalidValue', 'FMC version does not fit', productName)
  const tcb: TcbVersion = {
    fmc: fmc === undefined ? 0 : readInteger(fmc, 'FMC'),
    bootLoader: readInteger(required(certificate, amdOid.bootLoader, 'boot loader'), 'boot loader'),
    tee: readInteger(required(certificate, amdOid.tee, 'TEE'), 'TEE'),
    snp: readInteger(required(certificate, amdOid.snp, 'SNP firmware'), 'SNP firmware'),
    microcode: readInteger(required(certificate, amdOid.microcode, 'microcode'), 'microcode'),
  }
  const hardware = findExtension(certificate.extensions, amdOid.hardwareId)
  const provider = findExtension(certificate.extensions, amdOid.providerId)
  const name = certificate.subject.commonName
  if (name === 'SEV-VCEK' && hardware !== undefined && provider === undefined) {
    const hardwareId = readHardwareId(hardware, product)
    return { signer: 'VCEK', product, productName, tcb, hardwareId, providerId: undefined }
  }
  if (name === 'SEV-VLEK' && hardware === undefined && provider !== undefined) {
    const providerId = readString(certificate, amdOid.providerId, 'provider')
    return { signer: 'VLEK', product, productName, tcb, hardwareId: undefined, providerId }
  }
  return refuse('InvalidValue', 'Certificate is neither of a chip nor of a provider', name ?? 'no name')
}

/** The bare identifier, or an OCTET STRING of it: AMD has issued both. */
function readHardwareId(extension: Extension, product: SnpProduct): Uint8Array {
  const length = productLine(product).hardwareIdLength
  // Copied: callers must not receive a view of a cached certificate.
  if (extension.value.length === length) return extension.value.slice()
  const reader = new DerReader(extension.value, 'hardware id', extension.offset)
  const value = reader.expect(derTag.octetString, 'hardware id').content
  reader.end()
  if (value.length !== length) refuse('WrongLength', 'Hardware id', `${value.length} bytes`)
  return value.slice()
}

function readInteger(extension: Extension, field: string): number {
  const reader = extensionReader(extension, field)
  const value = readSmallInteger(reader, field, 255)
  reader.end()
  return value
}

function readString(certificate: Certificate, oid: string, field: string): string {
  const reader = extensionReader(required(certificate, oid, field), field)
  const value = stringOf(reader.next(field), field)
  reader.end()
  return value
}

function required(certificate: Certificate, oid: string, field: string): Extension {
  return findExtension(certificate.extensions, oid) ?? refuse('Missing', `Endorsement lacks ${field}`, 'nothing')
}

function refuse(code: ParseError['code'], message: string, found: string): never {
  throw new ParseError({ code, message: `${message}: AMD endorsement`, found })
}
