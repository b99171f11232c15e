import type { BootEvidence, ErrorDetail } from '@strongroom/contract'
import { fetchEvidence } from '../../commands/vm/trust.ts'
import { refused, type Attack } from './attack.ts'
import type { Host } from '../host/host.ts'
import type { Observation } from '../host/observation.ts'
import { attackersKey } from './metadata.ts'

const attestVersion = '2022-08-01'
const releaseVersion = '7.4'

/** The outcome of a request: an answer is a success for the attacker. */
async function ask(host: Host, o: { url: string; body: object; audience?: string }): Promise<Observation> {
  const connection = await host.connection()
  const token = o.audience === undefined ? undefined : await connection.ownerToken(o.audience)
  const { status, json, text } = await connection.https.request({
    method: 'POST',
    url: o.url,
    body: o.body,
    ...(token !== undefined && { token }),
  })
  if (status < 400) return { accepted: true, marks: [] }
  const said = (json as { error?: Partial<ErrorDetail> } | undefined)?.error
  return {
    accepted: false,
    marks: [],
    error: { code: said?.code ?? `Http${status}`, message: said?.message ?? text.slice(0, 200) },
  }
}

/** Evidence of the previous boot, as the machine stores it. */
async function evidenceOf(host: Host): Promise<BootEvidence> {
  const { arm, path } = await host.arm()
  return (await fetchEvidence(arm, path)) as BootEvidence
}

const withoutRelease = async (host: Host): Promise<string | undefined> =>
  'guestStateKey' in host.vm.spec ? undefined : 'no key is released for a VM with NonPersistedTPM'

/** The paravisor's request with this evidence and other claims. */
async function attestation(evidence: BootEvidence, claims: Buffer): Promise<{ url: string; body: object }> {
  const { silicon } = evidence
  const report =
    silicon.kind === 'SNP'
      ? { SnpReport: silicon.report, VcekCertChain: Buffer.from(silicon.vcekChainPem).toString('base64') }
      : undefined
  return {
    url: `${evidence.attestation.issuer}${report ? '/attest/SevSnpVm' : '/attest/TdxVm'}?api-version=${attestVersion}`,
    body: {
      ...(report
        ? { report: Buffer.from(JSON.stringify(report)).toString('base64url') }
        : { quote: 'quote' in silicon ? silicon.quote : '' }),
      runtimeData: { data: claims.toString('base64url'), dataType: 'JSON' },
    },
  }
}

export const replayAttacks: Attack[] = [
  {
    id: 'K2/relayed-evidence',
    title: 'the hardware report of the boot before, with a transfer key of the host’s',
    does: 'sends the report to the attestation service with claims that name its own key',
    ends: [refused(/.+/, /runtime|report.?data|claims/i)],
    from: 'later',
    cannot: withoutRelease,
    carryOut: async (host) => {
      const evidence = await evidenceOf(host)
      const claims = JSON.parse(Buffer.from(evidence.runtimeClaims, 'base64url').toString()) as {
        keys: { kid: string }[]
      }
      claims.keys = claims.keys.map((each) => ({ ...each, ...attackersKey() }))
      return await ask(host, await attestation(evidence, Buffer.from(JSON.stringify(claims))))
    },
  },
  {
    id: 'K8/replayed-token',
    title: 'the attestation token of the boot before, sent to the vault again by someone other than the VM',
    does: 'asks for the release of the VM’s key with the token that the boot left, as the owner',
    ends: [refused(/^(Forbidden|KeyReleaseDenied|AccessDenied|Unauthorized|ForbiddenByPolicy|ForbiddenByRbac)$/)],
    from: 'later',
    cannot: withoutRelease,
    carryOut: async (host) => {
      const { attestation: kept, release } = await evidenceOf(host)
      const url = `${release.keyId}/release?api-version=${releaseVersion}`
      return await ask(host, {
        url,
        body: { target: kept.token, enc: 'CKM_RSA_AES_KEY_WRAP' },
        audience: 'https://vault.azure.net',
      })
    },
  },
]
