import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromHex, parsePem, toBase64Url } from '@strongroom/evidence'
import {
  createSealer,
  openAuthority,
  openInstallation,
  systemClock,
  type InstallationAuthority,
} from '@strongroom/platform'
import { boundTo, chainPem, firmware, silicon, snpReport } from './harness.ts'
import { bootRecords, eventLog, type LogRecord } from './guest-log.ts'
import { GuestTpm, type EphemeralKey, type Statement } from './guest-tpm.ts'

export const firmwarePcrs: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7]
export const guestPath = '/attest/AzureGuest?api-version=2020-10-01'

/** An installation's authority, which certifies attestation keys. */
export async function testAuthority(): Promise<InstallationAuthority & { remove(): Promise<void> }> {
  const stateDir = await mkdtemp(join(tmpdir(), 'A-authority-'))
  const { installation } = await openInstallation({ stateDir })
  const sealer = createSealer(new Uint8Array(32).fill(9))
  const authority = await openAuthority({ stateDir, sealer, clock: systemClock, installation })
  return { ...authority, remove: () => rm(stateDir, { recursive: true, force: true }) }
}

/** ExtKeyUsageSyntax with `attestationKeyUsage` only. */
export const attestationKeyUsageExtension: { oid: string; value: Uint8Array } = {
  oid: '2.5.29.37',
  value: fromHex('300706056781050803'),
}

export interface RequestParts {
  pcrs: Map<number, Uint8Array>
  quote: Statement
  key: EphemeralKey
  log: Uint8Array
  akCertificate: Uint8Array
  akPublic: Uint8Array
  clientPayload: Record<string, string>
  isolation: unknown
  version: string
  osType: string
}

/** A running VM guest: TPM with a certified attestation key, measured boot, and the paravisor's claims. */
export class TestGuest {
  readonly vmId: string
  readonly tpm: GuestTpm
  readonly records: LogRecord[]
  readonly akCertificate: Uint8Array
  /** Claims bound by the hardware's report. */
  readonly claims: Uint8Array

  private constructor(o: Pick<TestGuest, 'vmId' | 'tpm' | 'records' | 'akCertificate' | 'claims'>) {
    this.vmId = o.vmId
    this.tpm = o.tpm
    this.records = o.records
    this.akCertificate = o.akCertificate
    this.claims = o.claims
  }

  static async boot(o: {
    authority: InstallationAuthority
    vmId: string
    records?: LogRecord[]
    /** Omits the attestation-key usage from the certificate. */
    withoutUsage?: boolean
    configuration?: Record<string, unknown>
  }): Promise<TestGuest> {
    const tpm = await GuestTpm.make()
    const records = o.records ?? bootRecords()
    await tpm.measure(records)
    const ak = await tpm.akKey()
    const pem = await o.authority.issueCertificate({
      subject: `CN=${o.vmId}`,
      publicKey: Uint8Array.from(ak.export({ type: 'spki', format: 'der' })),
      usages: ['digitalSignature'],
      days: 90,
      ...(o.withoutUsage === true ? {} : { extensions: [attestationKeyUsageExtension] }),
    })
    const { n, e } = ak.export({ format: 'jwk' })
    const claims = new TextEncoder().encode(
      JSON.stringify({
        keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }],
        'vm-configuration': {
          'console-enabled': true,
          'secure-boot': true,
          'tpm-enabled': true,
          'tpm-persisted': true,
          vmUniqueId: o.vmId,
          ...o.configuration,
        },
        'user-data': '0'.repeat(128),
      }),
    )
    // The NV index pads the certificate with zeros, and the stock library sends them too.
    const akCertificate = new Uint8Array(2048)
    akCertificate.set(parsePem(pem)[0]!)
    return new TestGuest({ vmId: o.vmId, tpm, records, akCertificate, claims })
  }

  close(): Promise<void> {
    return this.tpm.close()
  }

  /** Everything in a request, taken from the running TPM. */
  async parts(
    o: {
      isolation?: 'SevSnp' | 'Tdx' | 'TrustedLaunch'
      nonce?: string
      signNonce?: boolean
      /** Default: the firmware's, as in the stock library. */
      registers?: readonly number[]
      /** What the hardware's report binds; default: this guest's TPM. */
      claims?: Uint8Array
      /** For the SNP guest. */
      policy?: bigint
    } = {},
  ): Promise<RequestParts> {
    const { registers = firmwarePcrs } = o
    const nonce = o.nonce === undefined ? undefined : new TextEncoder().encode(o.nonce)
    const signed = o.signNonce === true && nonce !== undefined ? { nonce } : {}
    return {
      pcrs: await this.tpm.registers(registers),
      quote: await this.tpm.quote(registers, signed),
      key: await this.tpm.ephemeralKey(registers),
      log: eventLog(this.records),
      akCertificate: this.akCertificate,
      akPublic: await this.tpm.akPublic(),
      clientPayload: nonce === undefined ? {} : { nonce: Buffer.from(nonce).toString('base64') },
      isolation: await this.isolation(o.isolation ?? 'SevSnp', o),
      version: '2.0',
      osType: 'Linux',
    }
  }

  async isolation(
    type: 'SevSnp' | 'Tdx' | 'TrustedLaunch',
    o: { claims?: Uint8Array; policy?: bigint } = {},
  ): Promise<unknown> {
    if (type === 'TrustedLaunch') return { Type: type }
    const { claims = this.claims, policy } = o
    const reportData = boundTo(claims)
    const proof = type === 'SevSnp' ? await snpProof(reportData, policy) : base64(await tdxQuote(reportData))
    return { Type: type, Evidence: { Proof: proof, RunTimeData: base64(claims) } }
  }
}

export async function tdxQuote(reportData: Uint8Array): Promise<Uint8Array> {
  const { intel } = await silicon()
  return intel.quote(await (await intel.launch({ firmware: firmware() })).tdReport(reportData))
}

export async function snpProof(reportData: Uint8Array, policy?: bigint): Promise<string> {
  const report = await snpReport({ reportData, ...(policy === undefined ? {} : { policy }) })
  const proof = { SnpReport: toBase64Url(report), VcekCertChain: Buffer.from(await chainPem()).toString('base64') }
  return Buffer.from(JSON.stringify(proof)).toString('base64')
}

/** Body of the call, as the stock library sends it. */
export function guestBody(parts: RequestParts): { AttestationInfo: string } {
  const info = {
    AttestationProtocolVersion: parts.version,
    OSType: base64(new TextEncoder().encode(parts.osType)),
    OSDistro: base64(new TextEncoder().encode('Debian')),
    OSVersionMajor: 13,
    OSVersionMinor: 1,
    OSBuild: base64(new TextEncoder().encode('NotApplication')),
    TcgLogs: base64(parts.log),
    ClientPayload: parts.clientPayload,
    TpmInfo: {
      AikCert: base64(parts.akCertificate),
      AikPub: base64(parts.akPublic),
      PcrQuote: base64(parts.quote.message),
      PcrSignature: base64(parts.quote.signature),
      EncKeyPub: base64(parts.key.publicArea),
      EncKeyCertifyInfo: base64(parts.key.message),
      EncKeyCertifyInfoSignature: base64(parts.key.signature),
      PcrSet: [...parts.pcrs.keys()],
      PCRs: [...parts.pcrs].map(([Index, digest]) => ({ Index, Digest: base64(digest) })),
    },
    IsolationInfo: parts.isolation,
  }
  return { AttestationInfo: Buffer.from(JSON.stringify(info)).toString('base64url') }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
