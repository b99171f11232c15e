import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose'
import { releaseSigningUsage, type BootEvidence } from '@strongroom/contract'
import { hex } from './encoding.ts'
import { demand, LinkRefused, short } from './link.ts'

export type TokenClaims = Record<string, unknown>

async function verifyToken(evidence: BootEvidence): Promise<{ claims: TokenClaims; kid: string }> {
  const { token, jwks } = evidence.attestation
  const header = decodeProtectedHeader(token)
  const key = jwks.keys.find((each) => each['kid'] === header.kid)
  if (key === undefined) {
    throw new LinkRefused({
      message: 'No published key of the provider signed the token.',
      expected: 'a key id in the key set',
      actual: String(header.kid),
    })
  }
  const verified = await compactVerify(token, await importJWK(key as JWK, 'RS256'), { algorithms: ['RS256'] })
  return { claims: JSON.parse(new TextDecoder().decode(verified.payload)) as TokenClaims, kid: String(header.kid) }
}

/** The token says of the evidence what we found in it ourselves; otherwise the provider and we looked at two machines. */
export async function tokenLink(
  evidence: BootEvidence,
  seen: { measurement: Uint8Array; reportData: Uint8Array },
): Promise<{ claims: TokenClaims; shows: string[] }> {
  const { claims, kid } = await verifyToken(evidence)
  const snp = evidence.tee === 'SNP'
  const checks: [name: string, expected: unknown][] = [
    ['iss', evidence.attestation.issuer],
    ['x-ms-attestation-type', snp ? 'sevsnpvm' : 'tdxvm'],
    ['x-ms-compliance-status', 'azure-compliant-cvm'],
    [snp ? 'x-ms-sevsnpvm-launchmeasurement' : 'tdx_mrtd', hex(seen.measurement)],
    [snp ? 'x-ms-sevsnpvm-reportdata' : 'tdx_report_data', hex(seen.reportData)],
  ]
  if (evidence.simulated) checks.push(['x-strongroom-simulated', true])
  for (const [name, expected] of checks) {
    demand({
      holds: claims[name] === expected,
      message: `The token's claim ${name} differs.`,
      expected: String(expected),
      actual: String(claims[name]),
    })
  }
  const runtime = claims['x-ms-runtime'] as { 'vm-configuration'?: { vmUniqueId?: string } } | undefined
  const vmUniqueId = runtime?.['vm-configuration']?.vmUniqueId
  demand({
    holds: vmUniqueId === evidence.vmId,
    message: 'The token is of another VM.',
    expected: evidence.vmId,
    actual: String(vmUniqueId),
  })
  const started = Date.parse(evidence.startedAt) / 1000
  demand({
    holds: typeof claims['iat'] === 'number' && claims['iat'] >= started - 60,
    message: 'The token was issued before this boot.',
    expected: `not before ${evidence.startedAt}`,
    actual: String(claims['iat']),
  })
  return {
    claims,
    shows: [
      `issuer ${evidence.attestation.issuer}, key ${short(kid)}`,
      `compliance ${String(claims['x-ms-compliance-status'])}, policy ${short(String(claims['x-ms-policy-hash']))}`,
    ],
  }
}

interface ReleasePayload {
  request?: { enc?: string; kid?: string }
  response?: {
    key?: {
      key?: { kid?: string; key_hsm?: string }
      tags?: Record<string, string>
      release_policy?: { data?: string }
    }
  }
}

function verifyChain(x5c: string[], caPem: string): X509Certificate {
  const chain = x5c.map((text) => new X509Certificate(Buffer.from(text, 'base64')))
  const anchor = new X509Certificate(caPem)
  const leaf = chain[0]
  if (leaf === undefined) throw new LinkRefused({ message: 'The release answer carries no certificate.' })
  let current = leaf
  for (const issuer of [...chain.slice(1).filter((each) => each.fingerprint256 !== anchor.fingerprint256), anchor]) {
    if (!current.checkIssued(issuer) || !current.verify(issuer.publicKey) || !issuer.ca) {
      throw new LinkRefused({
        message: "The release answer's certificate does not chain to the installation's CA.",
        expected: current.issuer,
        actual: issuer.subject,
      })
    }
    current = issuer
  }
  return leaf
}

/** The vault's signed answer: which key, under which policy, wrapped for which transfer key. */
export async function releaseLink(
  evidence: BootEvidence,
  claims: TokenClaims,
  caPem: string,
): Promise<{ counter: number; shows: string[] }> {
  const header = decodeProtectedHeader(evidence.release.jws)
  const leaf = verifyChain(header.x5c ?? [], caPem)
  // The CA certifies TLS and attestation keys as well: only the key service's own may sign a release.
  demand({
    holds: leaf.keyUsage?.includes(releaseSigningUsage) === true,
    message: 'The release answer is not signed by a key for releases.',
    expected: releaseSigningUsage,
    actual: String(leaf.keyUsage),
  })
  const verified = await compactVerify(
    evidence.release.jws,
    createPublicKey(leaf.publicKey.export({ format: 'pem', type: 'spki' })),
    { algorithms: ['RS256'] },
  )
  const payload = JSON.parse(new TextDecoder().decode(verified.payload)) as ReleasePayload
  const key = payload.response?.key
  demand({
    holds: key?.key?.kid === evidence.release.keyId,
    message: 'The answer is about another key.',
    expected: evidence.release.keyId,
    actual: String(key?.key?.kid),
  })
  const wrapped = JSON.parse(Buffer.from(key?.key?.key_hsm ?? '', 'base64url').toString()) as {
    header?: { kid?: string; enc?: string }
  }
  demand({
    holds: wrapped.header?.kid === 'HCLTransferKey',
    message: 'The key was wrapped for another key than the transfer key of this boot.',
    expected: 'HCLTransferKey',
    actual: String(wrapped.header?.kid),
  })
  const policy = Buffer.from(key?.release_policy?.data ?? '', 'base64url').toString()
  demand({
    holds: policy.includes(evidence.vmId) && policy.includes(evidence.attestation.issuer),
    message: 'The release policy does not bind the key to this VM and this attestation provider.',
    expected: `vmUniqueId ${evidence.vmId}, authority ${evidence.attestation.issuer}`,
    actual: policy,
  })
  const counter = Number(key?.tags?.['x-strongroom-guest-state-generation'] ?? 0)
  const policyHash = createHash('sha256').update(policy).digest('hex')
  return {
    counter,
    shows: [
      `${evidence.release.keyId}`,
      `${wrapped.header?.enc}, policy ${short(policyHash)} satisfied by token ${short(String(claims['jti']))}`,
    ],
  }
}
