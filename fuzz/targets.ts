import {
  EvidenceError,
  fromBase64,
  fromHex,
  parseCertificate,
  parseCrl,
  parseEventLog,
  parseHclReport,
  parseMeasuredVariable,
  parsePem,
  parsePlatformClaim,
  parsePublicKey,
  parseQeIdentity,
  parseSnpReport,
  parseSshSignature,
  parseTcbInfo,
  parseTdReport,
  parseTdxQuote,
  parseTpm2bPublic,
  parseTpmsAttest,
  parseTpmtSignature,
  readEndorsement,
  readPckExtension,
} from '@strongroom/evidence'
import {
  detect,
  parseCbor,
  parseCcaToken,
  parseNitroDocument,
  parseScaleCollateral,
  parseSvsmManifest,
} from '@strongroom/evidence/files'
import {
  parseAuthenticatedVariable,
  parsePe,
  parseSettings,
  parseSignatureLists,
  parseSnpFirmware,
  parseSnpIdAuthentication,
  parseSnpIdBlock,
  parseTdvfSections,
  parseUserspaceLog,
  parseVariableStore,
} from '@strongroom/evidence/expected'
import { explainRelease, lintReleasePolicy, readReleasePolicy, ReleasePolicyError } from '@strongroom/release-policy'
import { claimsForPolicy, evaluatePolicy, formatPolicy, lintPolicy, parsePolicy, PolicyError } from '@strongroom/policy'
import {
  parseBundle,
  parseCheckpoint,
  parseNoteKey,
  parseTilePath,
  tilePath,
  TransparencyError,
} from '@strongroom/transparency'
import { parseVerifiers, VerifiersInvalid } from '@strongroom/contract'
import { BackupInvalid, readBackupManifest } from '@strongroom/contract/backup-manifest'
import { ServiceError } from '@strongroom/platform'
import { parseBody } from '../services/control-plane/src/arm/body.ts'
import { holds } from '../services/control-plane/src/arm/roles/condition/evaluate.ts'
import { parseCondition } from '../services/control-plane/src/arm/roles/condition/parse.ts'
import { Fields } from '../services/control-plane/src/arm/fields.ts'
import { readCostQuery, readUsageFilter } from '../services/control-plane/src/providers/billing/cost-query.ts'
import { parsePriceList } from '../services/control-plane/src/providers/billing/price-list.ts'
import { callsIn, parseExpression } from '../services/control-plane/src/templates/expression.ts'
import { QueryError } from '../packages/policy/src/query/query-error.ts'
import { searchJson } from '../packages/policy/src/query/search.ts'
import { gunzip } from '../apps/cli/src/evidence/gunzip.ts'
import { explain } from '../packages/evidence/src/bundle/explain/explain.ts'
import { parseResult } from '../services/host/src/network/command-routes.ts'
import { parseReportWithoutTpm } from '../services/paravisor/src/guest/boot-report.ts'
import { parseGuestHealth } from '../services/host/src/network/guest-health.ts'
import { readUserData } from '../services/host/src/network/report-routes.ts'
import { readFilter } from '../services/identity/src/graph/directory.ts'
import { readGuestRequest } from '../services/attestation/src/guest/guest-request.ts'
import { parseTransfer } from '../services/vault/src/keys/key-transfer.ts'
import { readBundle } from '../services/attestation/src/collateral/read-bundle.ts'
import { parseVendorEndpoints } from '../services/attestation/src/collateral/endpoints.ts'
import { collateralFromRequest } from '../services/attestation/src/collateral/intel.ts'
import { parseAcceptedSilicon } from '../services/attestation/src/anchors/accepted-silicon.ts'
import { boundData, nonceOf } from '../services/attestation/src/core/request.ts'
import { readPolicyCertificate } from '../services/attestation/src/policy/policy-certificate.ts'
import { certificateOf, parseEnvelope, policyOf } from '../services/attestation/src/policy/stored-policy.ts'
import { parseTpmMessage } from '../services/attestation/src/tpm/tpm-request.ts'
import { splitSignedJson } from '../packages/evidence/src/tdx/signed-json.ts'
import { parseJws } from '../packages/evidence/src/tokens/jws.ts'
import { parseJwks } from '../packages/evidence/src/tokens/keys.ts'
import { readKeyRelease } from '../packages/evidence/src/tokens/release.ts'
import { decodeBinding } from '../services/paravisor/src/vmgs/customer-binding.ts'
import { parseRuntimeClaims } from '../packages/evidence/src/azure/runtime-claims.ts'

const refusals = [
  ServiceError,
  EvidenceError,
  PolicyError,
  QueryError,
  ReleasePolicyError,
  TransparencyError,
  VerifiersInvalid,
  BackupInvalid,
]

/** Processor time that no input of up to 64 KiB may exceed, in microseconds. */
const longest = 50_000

/**
 * One parser as libFuzzer calls it: for any bytes it parses or throws an error of its package, within the time. A slow
 * input gets three more tries, so that a garbage collection does not count as a hang.
 */
function target(parse: (bytes: Uint8Array) => unknown): (data: Uint8Array) => void {
  const once = (data: Uint8Array): number => {
    const start = process.cpuUsage()
    try {
      parse(data)
    } catch (error) {
      if (!refusals.some((kind) => error instanceof kind)) throw error
    }
    const { user, system } = process.cpuUsage(start)
    return user + system
  }
  return (data) => {
    const bytes = new Uint8Array(data)
    if (once(bytes) <= longest) return
    const again = Math.min(once(bytes), once(bytes), once(bytes))
    if (again > longest) throw new Error(`Took ${again} µs for ${bytes.length} bytes`)
  }
}

const latin1 = new TextDecoder('latin1')
const utf8Text = new TextDecoder()
const policyDocument = {
  Events: [
    { EventSeq: 1, PcrIndex: 7, Name: 'SecureBoot', Data: 'AQ' },
    { EventSeq: 2, PcrIndex: 12, Tag: { Values: [0, 4, true, null], Path: String.raw`\windows\boot.sys` } },
  ],
}
const policyClaims = claimsForPolicy({
  events: policyDocument,
  'x-ms-compliance-status': 'azure-compliant-cvm',
  'x-ms-sevsnpvm-is-debuggable': false,
  'x-ms-sevsnpvm-vmpl': 0,
  list: ['a', 1, true],
})
const texts = (parse: (text: string) => unknown): ((data: Uint8Array) => void) =>
  target((bytes) => parse(latin1.decode(bytes)))

export const snpReport: (data: Uint8Array) => void = target(parseSnpReport)
export const tdxQuote: (data: Uint8Array) => void = target(parseTdxQuote)
export const tdReport: (data: Uint8Array) => void = target(parseTdReport)
export const certificate: (data: Uint8Array) => void = target(parseCertificate)
export const endorsement: (data: Uint8Array) => void = target((bytes) => readEndorsement(parseCertificate(bytes)))
export const pckExtension: (data: Uint8Array) => void = target((bytes) => readPckExtension(parseCertificate(bytes)))
export const crl: (data: Uint8Array) => void = target(parseCrl)
export const publicKey: (data: Uint8Array) => void = target(parsePublicKey)
export const pem: (data: Uint8Array) => void = texts(parsePem)
export const base64: (data: Uint8Array) => void = texts(fromBase64)
export const hex: (data: Uint8Array) => void = texts(fromHex)
export const tcbInfo: (data: Uint8Array) => void = texts((text) => parseTcbInfo(splitSignedJson(text, 'tcbInfo').body))
export const qeIdentity: (data: Uint8Array) => void = texts((text) =>
  parseQeIdentity(splitSignedJson(text, 'enclaveIdentity').body),
)
export const hclReport: (data: Uint8Array) => void = target(parseHclReport)
export const backupManifest: (data: Uint8Array) => void = texts(readBackupManifest)
export const sshSignature: (data: Uint8Array) => void = texts(parseSshSignature)
export const runtimeClaims: (data: Uint8Array) => void = target(parseRuntimeClaims)
export const tpmsAttest: (data: Uint8Array) => void = target(parseTpmsAttest)
export const tpm2bPublic: (data: Uint8Array) => void = target(parseTpm2bPublic)
export const tpmtSignature: (data: Uint8Array) => void = target(parseTpmtSignature)
export const platformClaim: (data: Uint8Array) => void = target(parsePlatformClaim)
export const eventLog: (data: Uint8Array) => void = target(parseEventLog)
export const reportUserData: (data: Uint8Array) => void = target((data) => readUserData(Buffer.from(data).toString()))
export const guestSettings: (data: Uint8Array) => void = target(parseSettings)
export const userspaceLog: (data: Uint8Array) => void = target(parseUserspaceLog)
export const measuredVariable: (data: Uint8Array) => void = target(parseMeasuredVariable)
export const idBlock: (data: Uint8Array) => void = target(parseSnpIdBlock)
export const idAuthentication: (data: Uint8Array) => void = target(parseSnpIdAuthentication)
export const pe: (data: Uint8Array) => void = target(parsePe)
export const authenticatedVariable: (data: Uint8Array) => void = target(parseAuthenticatedVariable)
export const signatureLists: (data: Uint8Array) => void = target(parseSignatureLists)
export const variableStore: (data: Uint8Array) => void = target(parseVariableStore)
export const snpFirmware: (data: Uint8Array) => void = target(parseSnpFirmware)
export const tdvf: (data: Uint8Array) => void = target(parseTdvfSections)
export const jws: (data: Uint8Array) => void = texts(parseJws)
export const guestHealth: (data: Uint8Array) => void = texts((text) => parseGuestHealth(jsonOf(text), new Date(0)))
/** A guest agent's reports of a script that it ran, and of a boot without a vTPM. */
export const guestCommand: (data: Uint8Array) => void = texts((text) => parseResult(jsonOf(text)))
export const reportWithoutTpm: (data: Uint8Array) => void = texts((text) => parseReportWithoutTpm(jsonOf(text)))
export const jwks: (data: Uint8Array) => void = texts((text) => parseJwks(jsonOf(text)))
export const keyRelease: (data: Uint8Array) => void = target(readKeyRelease)
/** A key that another HSM wrapped, as in an import. */
export const keyTransfer: (data: Uint8Array) => void = target((bytes) =>
  parseTransfer(Buffer.from(bytes).toString('base64url'), { name: 'kv1' } as Parameters<typeof parseTransfer>[1]),
)
/** A bundle of collateral as an owner sends it. */
export const collateralBundle: (data: Uint8Array) => void = texts((text) => readBundle(jsonOf(text)))
/** A guest's attestation request, as its client library composes it. */
export const guestRequest: (data: Uint8Array) => void = target((bytes) =>
  readGuestRequest({ AttestationInfo: Buffer.from(bytes).toString('base64') }),
)
/** A message of the TPM attestation protocol, before it is verified. */
export const tpmMessage: (data: Uint8Array) => void = target((bytes) =>
  parseTpmMessage({ data: Buffer.from(bytes).toString('base64url') }),
)
/** A policy or a signer in its envelope, and a signer's chain. */
export const policyEnvelope: (data: Uint8Array) => void = texts((jws) => {
  const { payload } = parseEnvelope(jws)
  policyOf({ jws, payload })
})
export const signerEnvelope: (data: Uint8Array) => void = texts((jws) => {
  const { payload } = parseEnvelope(jws)
  readPolicyCertificate(certificateOf({ jws, payload }), new Date('2026-06-01T00:00:00Z'), 'policyCertificate')
})
/** The members of a direct attest call besides its evidence. */
export const attestBody: (data: Uint8Array) => void = target((bytes) => {
  const body = jsonOf(utf8Text.decode(bytes))
  if (typeof body !== 'object' || body === null) return
  const members = body as Record<string, unknown>
  boundData(members['runtimeData'], 'runtimeData')
  boundData(members['initTimeData'], 'initTimeData')
  nonceOf(members['nonce'])
  collateralFromRequest(members['collateral'])
})
/** Files of the operator. */
export const operatorFiles: (data: Uint8Array) => void = target((bytes) => {
  const text = utf8Text.decode(bytes)
  for (const parse of [
    parseVerifiers,
    (file: string) => parseAcceptedSilicon(file, 'f'),
    (file: string) => parseVendorEndpoints(file, 'f'),
  ])
    try {
      parse(text)
    } catch (error) {
      if (!refusals.some((kind) => error instanceof kind)) throw error
    }
})
/** A template expression, and a request body as the resource manager reads it: strictly, and as az sends templates. */
export const templateExpression: (data: Uint8Array) => void = target((bytes) =>
  callsIn(parseExpression(`[${utf8Text.decode(bytes)}]`)),
)
export const armBody: (data: Uint8Array) => void = target((bytes) => {
  const text = utf8Text.decode(bytes)
  parseBody(text, { lenient: text.length % 2 === 0 })
})
/** A condition of a role assignment that parses is evaluated, with and without what it asks for. */
export const roleCondition: (data: Uint8Array) => void = target((bytes) => {
  const condition = parseCondition(utf8Text.decode(bytes))
  const action = 'Microsoft.Authorization/roleAssignments/write'
  const known = { roleDefinitionId: 'acdd72a7-3385-48ef-bd42-f606fba81ae7', principalType: 'User' }
  for (const asked of [{}, { request: known, resource: {} }]) holds(condition, { action, ...asked })
})
/** A price list that parses must parse to the same again. */
export const priceList: (data: Uint8Array) => void = target((bytes) => {
  const list = parsePriceList(jsonOf(utf8Text.decode(bytes)))
  if (JSON.stringify(parsePriceList(list)) !== JSON.stringify(list)) throw new Error('the price list does not settle')
})
/** Queries of usage and cost: a query's body, and a filter of usage details. */
export const costQuery: (data: Uint8Array) => void = target((bytes) =>
  readCostQuery(new Fields(jsonOf(utf8Text.decode(bytes))), new Date('2026-03-10T00:00:00Z')),
)
export const usageFilter: (data: Uint8Array) => void = target((bytes) => readUsageFilter(utf8Text.decode(bytes)))
/** Which customer's key a guest state names: the host wrote it. */
export const customerBinding: (data: Uint8Array) => void = target(decodeBinding)
export const cbor: (data: Uint8Array) => void = target((bytes) => parseCbor(bytes, 'input'))
export const nitroDocument: (data: Uint8Array) => void = target(parseNitroDocument)
export const ccaToken: (data: Uint8Array) => void = target(parseCcaToken)
export const svsmManifest: (data: Uint8Array) => void = target(parseSvsmManifest)
export const scaleCollateral: (data: Uint8Array) => void = target(parseScaleCollateral)
export const anyFile: (data: Uint8Array) => void = target((bytes) => detect('input', bytes, { gunzip }))

/** A policy that parses prints as one that parses to the same, and decides over a VM's claims. */
export const policy: (data: Uint8Array) => void = target((bytes) => {
  const parsed = parsePolicy(utf8Text.decode(bytes))
  const printed = formatPolicy(parsed)
  if (formatPolicy(parsePolicy(printed)) !== printed) throw new Error('the layout does not settle')
  lintPolicy(parsed)
  evaluatePolicy(parsed, policyClaims)
})
/** A release policy that parses is linted and decides over claims. */
export const releasePolicy: (data: Uint8Array) => void = target((bytes) => {
  const parsed = readReleasePolicy(utf8Text.decode(bytes))
  lintReleasePolicy(parsed)
  explainRelease(
    parsed,
    { iss: 'https://a.attest.strongroom.internal', 'x-ms-compliance-status': 'azure-compliant-cvm' },
    { now: 0 },
  )
})
/** A query over a small boot log, with a policy's maximum number of steps. */
export const policyQuery: (data: Uint8Array) => void = target((bytes) => {
  let left = 20_000
  searchJson(utf8Text.decode(bytes), policyDocument, (cost) => {
    if ((left -= cost) < 0) throw new QueryError('the budget is used up')
  })
})

/** Explains every field of arbitrary bytes. */
export const explained: (data: Uint8Array) => void = target((bytes) => detect('input', bytes, { gunzip }).map(explain))

/** Entries of a log; the first byte gives the expected number. */
export const logBundle: (data: Uint8Array) => void = target((bytes) =>
  parseBundle(bytes.subarray(1), (bytes[0] ?? 0) + 1),
)
export const logCheckpoint: (data: Uint8Array) => void = target((bytes) => parseCheckpoint(utf8Text.decode(bytes)))
export const logKey: (data: Uint8Array) => void = target((bytes) => parseNoteKey(utf8Text.decode(bytes)))
/** A path that parses as a tile's is written back the same. */
export const logTilePath: (data: Uint8Array) => void = target((bytes) => {
  const path = utf8Text.decode(bytes)
  const tile = parseTilePath(path)
  if (tile && tilePath(tile) !== path) throw new Error('two spellings of one tile')
})

/** Directory filters, as in a query. */
export const directoryFilter: (data: Uint8Array) => void = target((bytes) =>
  readFilter({ query: { $filter: utf8Text.decode(bytes) } } as unknown as Parameters<typeof readFilter>[0]),
)

/** Only JSON reaches the parser under test. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
