interface RuntimeClaims {
  keys?: unknown
  'vm-configuration'?: Record<string, unknown>
}

const runtimeOf = (claims: Record<string, unknown>): RuntimeClaims | undefined =>
  claims['x-ms-runtime'] as RuntimeClaims | undefined

/** A member of what the paravisor states about its VM, in a token that satisfied a platform key's policy. */
export const attestedMember = (claims: Record<string, unknown>, name: string): unknown =>
  runtimeOf(claims)?.['vm-configuration']?.[name]

/** Upper case. */
export const attestedVmId = (claims: Record<string, unknown>): string =>
  String(attestedMember(claims, 'vmUniqueId')).toUpperCase()

/**
 * SHA-256 of the claims of one launch, hexadecimal: no two launches have the same, because each makes its own transfer key. Undefined
 * for a token without the report data that binds them.
 */
export function attestedLaunch(claims: Record<string, unknown>): string | undefined {
  const name = claims['x-ms-attestation-type'] === 'tdxvm' ? 'tdx_report_data' : 'x-ms-sevsnpvm-reportdata'
  return /^([0-9a-f]{64})0{64}$/.exec(String(claims[name]))?.[1]
}

/** Whether a vTPM runs, and so a guest. Otherwise the paravisor opens the guest state to copy it. */
export function isBoot(claims: Record<string, unknown>): boolean {
  const keys = runtimeOf(claims)?.keys
  return Array.isArray(keys) && keys.some((key: { kid?: unknown } | null) => key?.kid === 'HCLAkPub')
}
