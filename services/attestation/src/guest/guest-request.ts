import { bytesOf, isObject, jsonObject, objectBody } from '../core/request.ts'
import { invalidParameter } from '../core/errors.ts'
import { textOf } from '../core/text.ts'

/** What a guest reports about its operating system: unverified, and shown as such in the token. */
interface GuestOs {
  type: string
  distro: string
  build: string
  major: number
  minor: number
}

/** `TpmInfo`: everything by or about the attestation key of the guest's TPM. */
interface GuestTpm {
  /** DER, possibly with its NV index's zero padding. */
  akCertificate: Uint8Array
  /** TPM2B_PUBLIC */
  akPublic: Uint8Array
  /** TPMS_ATTEST */
  quote: Uint8Array
  quoteSignature: Uint8Array
  /** TPM2B_PUBLIC of the key that the answer is sealed to. */
  encryptionKey: Uint8Array
  /** TPMS_ATTEST of that key, by the attestation key. */
  certifyInfo: Uint8Array
  certifySignature: Uint8Array
  /** Values of the registers by number, SHA-256 bank. */
  pcrs: ReadonlyMap<number, Uint8Array>
}

type IsolationType = 'SevSnp' | 'Tdx' | 'TrustedLaunch'

/** `IsolationInfo`: the hardware's part, as the direct calls accept it. */
interface GuestIsolation {
  type: IsolationType
  /** base64: JSON with SnpReport and VcekCertChain, or a TD quote. */
  proof?: string
  /** base64 of the HCL report's claims. */
  runtimeData?: string
}

/** Base64 values as sent, possibly nested in objects. */
interface ClientPayload {
  [name: string]: string | ClientPayload
}

/** Content of `attestationInfo` (facts section 5.2). */
export interface GuestRequest {
  /** UTF-8 JSON as sent. */
  raw: Uint8Array
  os: GuestOs
  /** `binary_bios_measurements`; empty if the guest has none. */
  tcgLog: Uint8Array
  clientPayload: ClientPayload
  tpm: GuestTpm
  isolation: GuestIsolation
}

export const guestProtocolVersion = '2.0'
const isolationTypes: readonly string[] = ['SevSnp', 'Tdx', 'TrustedLaunch'] satisfies IsolationType[]
const payloadLimit = 16 * 1024
const textLimit = 256

/** Reads the body of `POST /attest/AzureGuest`. @throws ServiceError InvalidParameter, naming the member */
export function readGuestRequest(body: unknown): GuestRequest {
  const outer = objectBody(body)
  // The stock library writes AttestationInfo, the documentation attestationInfo.
  const raw = bytesOf(outer['AttestationInfo'] ?? outer['attestationInfo'], 'attestationInfo')
  const info = jsonObject(raw, 'attestationInfo')
  const version = info['AttestationProtocolVersion']
  if (version !== guestProtocolVersion) {
    throw invalidParameter({
      target: 'AttestationProtocolVersion',
      message: 'This service does not support the protocol version of the request.',
      expected: guestProtocolVersion,
      found: JSON.stringify(version) ?? 'nothing',
      remedy: 'Use a client library of the current protocol.',
    })
  }
  return {
    raw,
    os: {
      type: text(info['OSType'], 'OSType'),
      distro: text(info['OSDistro'], 'OSDistro'),
      build: text(info['OSBuild'], 'OSBuild'),
      major: versionNumber(info['OSVersionMajor'], 'OSVersionMajor'),
      minor: versionNumber(info['OSVersionMinor'], 'OSVersionMinor'),
    },
    tcgLog: tcgLog(info['TcgLogs']),
    clientPayload: clientPayload(info['ClientPayload']),
    tpm: tpmInfo(member(info, 'TpmInfo')),
    isolation: isolationInfo(member(info, 'IsolationInfo')),
  }
}

/** A guest whose firmware exposes no log sends nothing: then no claim rests on one. */
function tcgLog(value: unknown): Uint8Array {
  return value === undefined || value === null || value === '' ? new Uint8Array() : bytesOf(value, 'TcgLogs')
}

function member(info: Record<string, unknown>, name: string): Record<string, unknown> {
  const value = info[name]
  if (isObject(value)) return value
  throw invalidParameter({ target: name, message: `${name} is missing.`, expected: 'a JSON object' })
}

/** Base64-encoded text. */
function text(value: unknown, target: string): string {
  if (value === '') return ''
  const bytes = bytesOf(value, target)
  try {
    const decoded = textOf(bytes)
    if (decoded.length <= textLimit) return decoded
  } catch {
    // Reported below, for both faults.
  }
  throw invalidParameter({
    target,
    message: `${target} is invalid.`,
    expected: `base64 of at most ${textLimit} characters of UTF-8`,
  })
}

/** Azure's C++ library sends a number, its Python tool the text of VERSION_ID: `22`, `04`, `6.1`. */
function versionNumber(value: unknown, target: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  const [, leading] = typeof value === 'string' ? (/^(\d{1,9})(\.\d{1,9}){0,3}$/.exec(value) ?? []) : []
  if (leading !== undefined) return Number(leading)
  throw invalidParameter({
    target,
    message: `${target} is not a version number.`,
    expected: 'a whole number, or its digits as text',
  })
}

function clientPayload(value: unknown): ClientPayload {
  if (value === undefined || value === null || value === '') return {}
  const payload = objectBody(value)
  if (JSON.stringify(payload).length > payloadLimit) {
    throw invalidParameter({
      target: 'ClientPayload',
      message: 'ClientPayload is too large.',
      expected: `at most ${payloadLimit} characters`,
    })
  }
  return payloadOf(payload, 'ClientPayload')
}

function payloadOf(payload: Record<string, unknown>, target: string): ClientPayload {
  return Object.fromEntries(
    Object.entries(payload).map(([name, encoded]) => {
      const place = `${target}.${name}`
      if (typeof encoded === 'object' && encoded !== null) return [name, payloadOf(objectBody(encoded), place)]
      if (encoded !== '') bytesOf(encoded, place)
      return [name, encoded as string]
    }),
  )
}

/** The TPM2B_PUBLIC at the start: Azure's Python tool sends TPM2_ReadPublic's whole response, with the key's names after it. */
function firstSized(bytes: Uint8Array): Uint8Array {
  const size = bytes.length < 2 ? 0 : bytes[0]! * 256 + bytes[1]!
  return bytes.subarray(0, 2 + size)
}

function tpmInfo(info: Record<string, unknown>): GuestTpm {
  const bytes = (name: string): Uint8Array => bytesOf(info[name], `TpmInfo.${name}`)
  const set = info['PcrSet']
  const list = info['PCRs']
  if (!Array.isArray(set) || !Array.isArray(list) || list.length === 0 || list.length > 24) {
    throw invalidParameter({
      target: 'TpmInfo.PCRs',
      message: 'TpmInfo contains no registers.',
      expected: 'PcrSet and PCRs, 1 to 24 entries each',
      remedy: 'Quote registers 0 to 7 of the SHA-256 bank.',
    })
  }
  const pcrs = new Map<number, Uint8Array>()
  for (const entry of list as unknown[]) {
    const { Index: index, Digest: digest } = objectBody(entry)
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index > 23 || pcrs.has(index)) {
      throw invalidParameter({
        target: 'TpmInfo.PCRs',
        message: 'A register is named twice or does not exist.',
        expected: 'each of 0 to 23 at most once',
        found: JSON.stringify(index) ?? 'nothing',
      })
    }
    pcrs.set(index, bytesOf(digest, `TpmInfo.PCRs.${index}`))
  }
  const numbers = (set as unknown[]).filter((entry): entry is number => typeof entry === 'number')
  const named = numbers.toSorted((left, right) => left - right)
  const shown = [...pcrs.keys()].toSorted((left, right) => left - right)
  if (numbers.length !== set.length || JSON.stringify(named) !== JSON.stringify(shown)) {
    throw invalidParameter({
      target: 'TpmInfo.PcrSet',
      message: 'PcrSet and PCRs name different registers.',
      expected: JSON.stringify(shown),
      found: JSON.stringify(set).slice(0, 200),
    })
  }
  return {
    akCertificate: bytes('AikCert'),
    akPublic: firstSized(bytes('AikPub')),
    quote: bytes('PcrQuote'),
    quoteSignature: bytes('PcrSignature'),
    encryptionKey: bytes('EncKeyPub'),
    certifyInfo: bytes('EncKeyCertifyInfo'),
    certifySignature: bytes('EncKeyCertifyInfoSignature'),
    pcrs,
  }
}

function isolationInfo(info: Record<string, unknown>): GuestIsolation {
  const type = info['Type']
  if (typeof type !== 'string' || !isolationTypes.includes(type)) {
    throw invalidParameter({
      target: 'IsolationInfo.Type',
      message: 'The isolation type is not known.',
      expected: isolationTypes.join(', '),
      found: JSON.stringify(type) ?? 'nothing',
    })
  }
  const evidence = info['Evidence']
  if (type === 'TrustedLaunch') {
    if (evidence === undefined || evidence === null) return { type }
    throw invalidParameter({
      target: 'IsolationInfo.Evidence',
      message: 'Trusted Launch has no hardware evidence.',
      expected: 'no Evidence, or the type SevSnp or Tdx',
    })
  }
  if (evidence === undefined || evidence === null) {
    throw invalidParameter({
      target: 'IsolationInfo.Evidence',
      message: `A guest of type ${type} has to send its hardware report: without one, it is not attested as confidential.`,
      expected: 'Evidence with Proof and RunTimeData',
      found: 'none',
      remedy: 'Read the HCL report from NV index 0x01400001 and send its hardware report and claims.',
    })
  }
  const { Proof: proof, RunTimeData: runtimeData } = objectBody(evidence)
  return {
    type: type as IsolationType,
    // Some clients send SNP's proof as an object.
    proof:
      typeof proof === 'object' && proof !== null
        ? Buffer.from(JSON.stringify(proof)).toString('base64')
        : required(proof, 'IsolationInfo.Evidence.Proof'),
    runtimeData: required(runtimeData, 'IsolationInfo.Evidence.RunTimeData'),
  }
}

function required(value: unknown, target: string): string {
  bytesOf(value, target)
  return value as string
}
