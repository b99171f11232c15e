/** What the log keeps of one operation. */
export interface LogEntry {
  /** Who asked; `vault` or `control-plane` where a service acts on its own. */
  objectId: string
  appId: string
  /** The service that a request came through, and the principal that it called as. Absent where the caller asked itself. */
  via?: { service: 'control-plane'; objectId: string; appId: string }
  operation: string
  vault: string
  keyName: string
  keyVersion?: string
  /** What else it was about: the role, principal and scope of an assignment, the holders of a security domain, the epoch of a placement. */
  subject?: string
  verdict: 'allowed' | 'refused'
  /** Error code of a refusal. */
  code?: string
  /** SHA-256 of the attestation token, hexadecimal: enough to find it again, nothing to replay. */
  tokenDigest?: string
  /** SHA-256 of the release policy that the decision was made by. */
  policyHash?: string
}

/** JSON of the entry as it is hashed and kept; fields that are empty are left out. */
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
  })
}
