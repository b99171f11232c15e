/** The log's record of one operation. */
export interface LogEntry {
  /** The caller; `vault` or `control-plane` if a service acts on its own. */
  objectId: string
  appId: string
  /** The service that a request came through, and the principal it used. Absent for direct calls. */
  via?: { service: 'control-plane'; objectId: string; appId: string }
  operation: string
  vault: string
  keyName: string
  keyVersion?: string
  /** Further subject: the role, principal and scope of an assignment, the holders of a security domain, the epoch of a placement. */
  subject?: string
  verdict: 'allowed' | 'refused'
  /** Error code of a refusal. */
  code?: string
  /** SHA-256 of the attestation token, hexadecimal: enough to identify it, nothing to replay. */
  tokenDigest?: string
  /** SHA-256 of the release policy that the decision was based on. */
  policyHash?: string
  /** Refusals of this caller since its last entry that have none. */
  leftOut?: number
}

/** JSON of the entry as hashed and stored, without empty fields. */
export function entryText(entry: LogEntry, at: Date): string {
  const {
    objectId,
    appId,
    via,
    operation,
    vault,
    keyName,
    keyVersion,
    subject,
    verdict,
    code,
    tokenDigest,
    policyHash,
    leftOut,
  } = entry
  return JSON.stringify({
    v: 1,
    at: at.toISOString(),
    objectId,
    appId,
    via,
    operation,
    vault,
    keyName,
    keyVersion: keyVersion || undefined,
    subject: subject || undefined,
    verdict,
    code: code || undefined,
    tokenDigest: tokenDigest || undefined,
    policyHash: policyHash || undefined,
    leftOut: leftOut || undefined,
  })
}
