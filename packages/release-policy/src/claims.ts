/** What is known about a claim in tokens for confidential VMs: its type, and what a condition on it means. */
export interface KnownClaim {
  type: 'string' | 'boolean' | 'number'
  /**
   * A condition on it excludes other tenants: the value is one VM's alone, or (unless all zeros) set by whoever
   * launched it. Measurements and ID keys do not: every VM with the same platform firmware has the same.
   */
  binds?: 'vm' | 'launch'
  /** Changes when the platform's firmware is updated. */
  changes?: true
}

/** Prefix under which a guest's token nests the claims that the paravisor's has at the top. */
export const nestedUnder = 'x-ms-isolation-tee'

/** Claims about the hardware evidence: at the top for `/attest/SevSnpVm` and `/attest/TdxVm`, nested for `/attest/AzureGuest`. */
export const teeClaims: Record<string, KnownClaim> = {
  'x-ms-attestation-type': { type: 'string' },
  'x-ms-compliance-status': { type: 'string' },
  'x-ms-sevsnpvm-authorkeydigest': { type: 'string' },
  'x-ms-sevsnpvm-bootloader-svn': { type: 'number', changes: true },
  'x-ms-sevsnpvm-familyId': { type: 'string' },
  'x-ms-sevsnpvm-guestsvn': { type: 'number' },
  'x-ms-sevsnpvm-hostdata': { type: 'string', binds: 'launch' },
  'x-ms-sevsnpvm-idkeydigest': { type: 'string' },
  'x-ms-sevsnpvm-imageId': { type: 'string' },
  'x-ms-sevsnpvm-is-debuggable': { type: 'boolean' },
  'x-ms-sevsnpvm-launchmeasurement': { type: 'string', changes: true },
  'x-ms-sevsnpvm-microcode-svn': { type: 'number', changes: true },
  'x-ms-sevsnpvm-migration-allowed': { type: 'boolean' },
  'x-ms-sevsnpvm-reportdata': { type: 'string', binds: 'vm' },
  'x-ms-sevsnpvm-reportid': { type: 'string', binds: 'vm' },
  'x-ms-sevsnpvm-smt-allowed': { type: 'boolean' },
  'x-ms-sevsnpvm-snpfw-svn': { type: 'number', changes: true },
  'x-ms-sevsnpvm-tee-svn': { type: 'number', changes: true },
  'x-ms-sevsnpvm-vmpl': { type: 'number' },
  tdx_mrtd: { type: 'string', changes: true },
  tdx_rtmr0: { type: 'string', changes: true },
  tdx_rtmr1: { type: 'string', changes: true },
  tdx_rtmr2: { type: 'string', changes: true },
  tdx_rtmr3: { type: 'string' },
  tdx_mrconfigid: { type: 'string', binds: 'launch' },
  tdx_mrowner: { type: 'string', binds: 'launch' },
  tdx_mrownerconfig: { type: 'string', binds: 'launch' },
  tdx_mrseam: { type: 'string', changes: true },
  tdx_mrsignerseam: { type: 'string' },
  tdx_report_data: { type: 'string', binds: 'vm' },
  tdx_seamsvn: { type: 'number', changes: true },
  tdx_tee_tcb_svn: { type: 'string', changes: true },
  tdx_td_attributes: { type: 'string' },
  tdx_td_attributes_debug: { type: 'boolean' },
  tdx_xfam: { type: 'string' },
  attester_tcb_status: { type: 'string', changes: true },
  'x-ms-runtime.vm-configuration.vmUniqueId': { type: 'string', binds: 'vm' },
  'x-ms-runtime.vm-configuration.secure-boot': { type: 'boolean' },
  'x-ms-runtime.vm-configuration.tpm-enabled': { type: 'boolean' },
  'x-ms-runtime.vm-configuration.console-enabled': { type: 'boolean' },
  'x-ms-runtime.vm-configuration.root-cert-thumbprint': { type: 'string' },
}

/** At the top of every token, or of a guest's only. */
export const topClaims: Record<string, KnownClaim> = {
  iss: { type: 'string' },
  jti: { type: 'string' },
  'x-ms-ver': { type: 'string' },
  'x-ms-policy-hash': { type: 'string' },
  'x-ms-azurevm-vmid': { type: 'string', binds: 'vm' },
  'x-ms-azurevm-attestation-protocol-ver': { type: 'string' },
  'x-ms-azurevm-bootdebug-enabled': { type: 'boolean' },
  'x-ms-azurevm-dbvalidated': { type: 'boolean' },
  'x-ms-azurevm-dbxvalidated': { type: 'boolean' },
  'x-ms-azurevm-debuggersdisabled': { type: 'boolean' },
  'x-ms-azurevm-default-securebootkeysvalidated': { type: 'boolean' },
  'x-ms-azurevm-elam-enabled': { type: 'boolean' },
  'x-ms-azurevm-flightsigning-enabled': { type: 'boolean' },
  'x-ms-azurevm-hvci-policy': { type: 'number' },
  'x-ms-azurevm-hypervisordebug-enabled': { type: 'boolean' },
  'x-ms-azurevm-is-windows': { type: 'boolean' },
  'x-ms-azurevm-kerneldebug-enabled': { type: 'boolean' },
  'x-ms-azurevm-osbuild': { type: 'string' },
  'x-ms-azurevm-osdistro': { type: 'string' },
  'x-ms-azurevm-ostype': { type: 'string' },
  'x-ms-azurevm-osversion-major': { type: 'number' },
  'x-ms-azurevm-osversion-minor': { type: 'number' },
  'x-ms-azurevm-signingdisabled': { type: 'boolean' },
  'x-ms-azurevm-testsigning-enabled': { type: 'boolean' },
  'x-strongroom-simulated': { type: 'boolean' },
  secureboot: { type: 'boolean' },
}

/** Objects and lists in tokens: a condition may test their existence, but nothing equals them. */
export const structuredClaims: ReadonlySet<string> = new Set([
  nestedUnder,
  'x-ms-azurevm-attested-pcrs',
  'x-ms-policy-signer',
  ...['x-ms-inittime', 'x-ms-runtime', 'x-ms-runtime.keys', 'x-ms-runtime.vm-configuration'].flatMap((name) => [
    name,
    `${nestedUnder}.${name}`,
  ]),
])

export type Form = 'flat' | 'nested' | 'top'

/** What a claim's path refers to; undefined if unknown. Claims below `x-ms-runtime` that programs send may be anything. */
export function knownClaim(path: string): { claim: KnownClaim; name: string; form: Form } | undefined {
  const prefix = `${nestedUnder}.`
  if (path.startsWith(prefix)) {
    const name = path.slice(prefix.length)
    const claim = Object.hasOwn(teeClaims, name) ? teeClaims[name] : undefined
    return claim && { claim, name, form: 'nested' }
  }
  const tee = Object.hasOwn(teeClaims, path) ? teeClaims[path] : undefined
  if (tee) return { claim: tee, name: path, form: 'flat' }
  const top = Object.hasOwn(topClaims, path) ? topClaims[path] : undefined
  return top && { claim: top, name: path, form: 'top' }
}
