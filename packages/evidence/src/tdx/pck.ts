import { DerReader, derTag } from '../core/der/der-reader.ts'
import { readBoolean, readOctets, readOid, readSmallInteger } from '../core/der/der-values.ts'
import { VerificationError } from '../core/errors.ts'
import type { Certificate } from '../x509/certificate.ts'
import { extensionReader, findExtension } from '../x509/extensions.ts'

/** Object identifiers of Intel's SGX extension of a PCK certificate (Intel PCK certificate specification, section 1.3.5). */
const root = '1.2.840.113741.1.13.1'
/**
 * Object identifiers of the SGX extension of PCK certificates and of its parts (Intel PCK certificate specification).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { findExtension, parseCertificate, parseTdxQuote, pckOids } from '@strongroom/evidence'
 *
 * const { certification } = parseTdxQuote(await readFile('quote.bin'))
 * const pck = certification.type === 'pckChain' ? certification.chain[0] : undefined
 * pck && findExtension(parseCertificate(pck).extensions, pckOids.extension) !== undefined // => true
 */
export const pckOids: Readonly<
  Record<
    | 'extension'
    | 'ppid'
    | 'tcb'
    | 'pceSvn'
    | 'cpuSvn'
    | 'pceId'
    | 'fmspc'
    | 'sgxType'
    | 'platformInstanceId'
    | 'configuration',
    string
  >
> = {
  extension: root,
  ppid: `${root}.1`,
  tcb: `${root}.2`,
  pceSvn: `${root}.2.17`,
  cpuSvn: `${root}.2.18`,
  pceId: `${root}.3`,
  fmspc: `${root}.4`,
  sgxType: `${root}.5`,
  platformInstanceId: `${root}.6`,
  configuration: `${root}.7`,
}

/** What Intel certifies about the platform of this key. */
export interface PckExtension {
  ppid: Uint8Array
  /** SVN of components 1 to 16, from index 0. */
  componentSvns: readonly number[]
  pceSvn: number
  cpuSvn: Uint8Array
  /** 2 bytes. */
  pceId: Uint8Array
  /** 6 bytes: family, model, stepping, platform type and custom SKU. */
  fmspc: Uint8Array
  sgxType: number
  /** Absent on single-socket certificates of the Processor CA. */
  platformInstanceId?: Uint8Array
  dynamicPlatform?: boolean
  cachedKeys?: boolean
  smtEnabled?: boolean
}

/**
 * Reads the SGX extension of a PCK certificate.
 * @throws VerificationError CertificateNotForThisUse if the certificate has none
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseCertificate, parseTdxQuote, readPckExtension, toHex } from '@strongroom/evidence'
 *
 * const { certification } = parseTdxQuote(await readFile('quote.bin'))
 * const pck = certification.type === 'pckChain' ? certification.chain[0] : undefined
 * const { fmspc, pceSvn } = readPckExtension(parseCertificate(pck ?? new Uint8Array()))
 * toHex(fmspc) // => 'b0c06f000000'
 * pceSvn // => 11
 */
export function readPckExtension(certificate: Certificate): PckExtension {
  const extension = findExtension(certificate.extensions, pckOids.extension)
  if (extension === undefined) {
    throw new VerificationError({
      code: 'CertificateNotForThisUse',
      message: 'The certificate is not a PCK certificate: it has no SGX extension',
      subject: 'PCK',
      expected: pckOids.extension,
      found: 'absent',
    })
  }
  const outer = extensionReader(extension, 'SGX extension')
  const fields = readFields(outer.sequence('SGX extension'), 'SGX extension')
  outer.end()
  const tcb = readFields(sequenceOf(need(fields, pckOids.tcb)), 'SGX TCB')
  const componentSvns = Array.from({ length: 16 }, (_, index) =>
    readSmallInteger(need(tcb, `${pckOids.tcb}.${index + 1}`), `component ${index + 1} SVN`, 255),
  )
  const instance = fields.get(pckOids.platformInstanceId)
  const configuration = fields.get(pckOids.configuration)
  return {
    ppid: octets(need(fields, pckOids.ppid), 'PPID', 16),
    componentSvns,
    pceSvn: readSmallInteger(need(tcb, pckOids.pceSvn), 'PCESVN', 65535),
    cpuSvn: octets(need(tcb, pckOids.cpuSvn), 'CPUSVN', 16),
    pceId: octets(need(fields, pckOids.pceId), 'PCE id', 2),
    fmspc: octets(need(fields, pckOids.fmspc), 'FMSPC', 6),
    sgxType: enumerated(need(fields, pckOids.sgxType)),
    ...(instance === undefined ? {} : { platformInstanceId: octets(instance, 'platform instance id', 16) }),
    ...(configuration === undefined ? {} : readConfiguration(configuration)),
  }
}

function readConfiguration(reader: DerReader): Pick<PckExtension, 'dynamicPlatform' | 'cachedKeys' | 'smtEnabled'> {
  const flags = readFields(sequenceOf(reader), 'SGX configuration')
  const flag = (number: number): boolean | undefined => {
    const value = flags.get(`${pckOids.configuration}.${number}`)
    return value === undefined ? undefined : readBoolean(value, `configuration flag ${number}`)
  }
  const [dynamicPlatform, cachedKeys, smtEnabled] = [flag(1), flag(2), flag(3)]
  return {
    ...(dynamicPlatform === undefined ? {} : { dynamicPlatform }),
    ...(cachedKeys === undefined ? {} : { cachedKeys }),
    ...(smtEnabled === undefined ? {} : { smtEnabled }),
  }
}

/** SEQUENCE OF SEQUENCE { identifier, value }: each value as a reader. */
function readFields(reader: DerReader, structure: string): Map<string, DerReader> {
  const fields = new Map<string, DerReader>()
  while (!reader.atEnd) {
    const entry = reader.sequence(`entry of ${structure}`)
    const name = readOid(entry, 'identifier')
    const value = entry.next(name)
    entry.end()
    if (fields.has(name)) reader.fail('Duplicate', `${name} occurs twice`)
    fields.set(name, new DerReader(value.raw, structure, value.offset))
  }
  return fields
}

function need(fields: ReadonlyMap<string, DerReader>, name: string): DerReader {
  const found = fields.get(name)
  if (found === undefined)
    throw new VerificationError({
      code: 'CertificateNotForThisUse',
      message: 'The SGX extension of the PCK certificate lacks a field',
      subject: 'PCK',
      expected: name,
      found: 'absent',
    })
  return found
}

function sequenceOf(reader: DerReader): DerReader {
  return reader.sequence('fields')
}

function octets(reader: DerReader, field: string, length: number): Uint8Array {
  const { content } = readOctets(reader, field)
  if (content.length !== length)
    reader.fail('WrongLength', `${field} has another length`, String(length), String(content.length))
  // Copied: callers must not receive a view of a cached certificate.
  return content.slice()
}

function enumerated(reader: DerReader): number {
  const { content } = reader.expect(derTag.enumerated, 'SGX type')
  if (content.length !== 1) reader.fail('WrongLength', 'SGX type is not one byte')
  return content[0] ?? 0
}
