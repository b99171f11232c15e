import { type Field, timeText } from './field.ts'

/** Members of tokens, key releases and Intel's texts (facts of Azure Attestation's claim sets; PCS API 4), by their last name. */
const meanings: ReadonlyMap<string, string> = new Map(
  Object.entries({
    alg: 'Signature algorithm; the verifier decides which ones it takes',
    kid: 'Name of a key',
    jku: 'Where the issuer publishes its keys; never followed',
    x5c: 'Certificates of the signer',
    x5t: 'SHA-1 of the signer’s certificate',
    'x5t#S256': 'SHA-256 of the signer’s certificate',
    typ: 'Kind of signed text',
    iss: 'Issuer',
    iat: 'Issued at',
    nbf: 'Not valid before',
    exp: 'Not valid from then on',
    jti: 'This token',
    nonce: 'Challenge from the requester of the token',
    'x-ms-ver': 'Version of the claim set',
    'x-ms-attestation-type': 'Kind of evidence that the service judged',
    'x-ms-policy-hash': 'Digest of the attestation policy that was applied',
    'x-ms-compliance-status': 'azure-compliant-cvm where the VM meets Azure’s baseline',
    'x-ms-sevsnpvm-is-debuggable': 'The host may read the guest’s memory',
    'x-ms-sevsnpvm-launchmeasurement': 'Launch digest',
    'x-ms-sevsnpvm-reportdata': 'Report data of the hardware’s report',
    'x-ms-sevsnpvm-hostdata': 'What the host gave at launch',
    'x-ms-sevsnpvm-idkeydigest': 'Digest of the key that signed the ID block',
    'x-ms-sevsnpvm-vmpl': 'Privilege level of the report',
    'x-ms-sevsnpvm-migration-allowed': 'A migration agent may take the guest’s memory',
    tdx_mrtd: 'Measurement of the TD’s first pages',
    tdx_report_data: 'Report data of the quote',
    attester_tcb_status: 'Status of the platform',
    secureboot: 'Secure Boot was on',
    'secure-boot': 'Secure Boot is on in the paravisor’s configuration',
    'tpm-enabled': 'The VM has a vTPM',
    'tpm-persisted': 'The vTPM’s state is kept over restarts',
    'console-enabled': 'There is a serial console',
    vmUniqueId: 'The VM',
    'user-data': 'What the guest had bound, through NV index 0x01400002',
    key_ops: 'What a key may do',
    kty: 'Type of a key',
    n: 'RSA modulus',
    e: 'RSA exponent',
    key_hsm: 'Released key, wrapped',
    release_policy: 'Policy under which the key is released',
    enc: 'How the key is wrapped',
    id: 'What the text is about',
    version: 'Version of the form',
    issueDate: 'Made at',
    nextUpdate: 'Not to be used after',
    fmspc: 'Kind of platform',
    pceId: 'Provisioning certification enclave',
    tcbEvaluationDataNumber: 'Round of Intel’s evaluation; rises with each',
    tcbStatus: 'Status of a platform that reaches this level',
    tcbDate: 'Date of the level',
    advisoryIDs: 'Advisories that stand against this level',
    svn: 'Security version that a part needs for this level',
    isvsvn: 'Security version that this level needs',
    pcesvn: 'Version of the provisioning enclave that this level needs',
    mrsigner: 'Signer',
    attributes: 'Attributes',
    attributesMask: 'Bits of the attributes that count',
    miscselect: 'MISCSELECT',
    miscselectMask: 'Bits of MISCSELECT that count',
    isvprodid: 'Product of the signer',
    signature: 'Over the exact text of the value',
  }),
)

/** Every leaf of a JSON value. */
export function explainJson(value: unknown): Field[] {
  return leaves('', value)
}

export function explainClaims(prefix: string, value: Readonly<Record<string, unknown>>): Field[] {
  return leaves(prefix, value)
}

const maximumFields = 2000
/** Members that are times, in seconds since 1970 (RFC 7519, NumericDate). */
const times: ReadonlySet<string> = new Set(['iat', 'nbf', 'exp', 'auth_time'])

function leaves(path: string, value: unknown): Field[] {
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .flatMap(([name, member]) => leaves(path === '' ? name : `${path}.${name}`, member))
      .slice(0, maximumFields)
  }
  const names = path.split('.')
  const time = times.has(names.at(-1)!) ? timeText(value) : undefined
  const known = names.map((name) => meanings.get(name)).findLast((meaning) => meaning !== undefined)
  return [
    {
      name: path,
      value: time === undefined ? String(value) : `${String(value)} (${time})`,
      meaning: known ?? 'Claim by the signer',
    },
  ]
}
