import {
  eventTypeName,
  ParseError,
  parseMeasuredVariable,
  toBase64Url,
  toHex,
  type BootState,
  type MeasuredEvent,
  type VerifiedEventLog,
} from '@strongroom/evidence'

/** Size of event data beyond which a policy sees only the digest. */
const shownBytes = 16 * 1024

/** Registers for policies: read-only there, and therefore in no token (facts section 5.5). */
export function registerClaim(pcrs: ReadonlyMap<number, Uint8Array>): Record<string, unknown> {
  return { PCRs: [...pcrs].map(([Index, value]) => ({ Index, Digests: { SHA256: toHex(value) } })) }
}

/** The verified log for policies, in the form that Azure's policy examples query with JmesPath. */
export function eventsClaim(log: VerifiedEventLog): Record<string, unknown> {
  return { Events: log.events.map((event) => eventClaim(event)) }
}

function eventClaim(event: MeasuredEvent): Record<string, unknown> {
  const digest = event.digests.get('sha256')
  const isShown = event.coverage === 'covered' && event.data.length <= shownBytes
  const variable = isShown ? measuredVariable(event.data) : undefined
  return {
    EventSeq: event.index,
    PcrIndex: event.pcr,
    EventType: event.type,
    EventTypeString: eventTypeName(event.type),
    ...(digest === undefined ? {} : { Digests: { SHA256: toHex(digest) } }),
    ...(isShown ? { EventData: toBase64Url(event.data) } : {}),
    ...(variable === undefined ? {} : { ProcessedData: variable }),
  }
}

/** Undefined for malformed data. */
function measuredVariable(data: Uint8Array): Record<string, unknown> | undefined {
  try {
    const { vendor, name, data: content } = parseMeasuredVariable(data)
    return { VariableGuid: vendor.toUpperCase(), UnicodeName: name, VariableData: toBase64Url(content) }
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

/** Claims of Azure's TPM attestation (aikValidated, aikPubHash, tpmVersion, secureBootEnabled), and which VM it is. */
export function tpmClaims(o: {
  akHash: string
  vmId: string
  boot: BootState
  relyingParty: string | undefined
  relyingPartyData: string | undefined
  boundKey: { kty: string; n: string; e: string } | undefined
}): Record<string, unknown> {
  return {
    aikPubHash: o.akHash,
    aikValidated: true,
    ...(o.boundKey === undefined ? {} : { cnf: { jwk: o.boundKey } }),
    ...(o.relyingParty === undefined ? {} : { rp_id: o.relyingParty }),
    ...(o.relyingPartyData === undefined ? {} : { rp_data: o.relyingPartyData }),
    ...(o.boot.secureBoot === undefined ? {} : { secureBootEnabled: o.boot.secureBoot }),
    tpmVersion: 2,
    'x-strongroom-vmid': o.vmId,
  }
}
