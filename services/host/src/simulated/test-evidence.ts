import { createHash, randomUUID } from 'node:crypto'
import { parsePem, toBase64Url, utf8 } from '@strongroom/evidence'
import { efiVendor } from '@strongroom/evidence/expected'
import type { InstallationAuthority } from '@strongroom/platform'
import type { Silicon, SnpGuest } from '@strongroom/silicon'
import { certifyAttestationKey } from '@strongroom/paravisor/tpm'
import { types, variable, writeEventLog, type PredictedRecord } from './predicted-log.ts'
import { SoftwareTpm } from './software-tpm.ts'

/** Body of `/attest/SevSnpVm`. */
export interface PlatformEvidence {
  report: string
  runtimeData: { data: string; dataType: 'JSON' }
}

/** Body of `/attest/AzureGuest`. */
export interface GuestEvidence {
  AttestationInfo: string
}

interface Guest {
  tpm: SoftwareTpm
  akCertificate: Uint8Array
  /** What the processor's report binds. */
  claims: Uint8Array
}

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64')
const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const record = (pcr: number, type: number, data: Uint8Array): PredictedRecord => ({
  pcr,
  type,
  data,
  digest: sha256(data),
})

/** A boot under Secure Boot, as short as it may be. */
const boot: readonly PredictedRecord[] = [
  record(0, types.crtmVersion, utf8('Strongroom test evidence\0')),
  record(7, types.driverConfig, variable('SecureBoot', efiVendor.global, Uint8Array.of(1))),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((pcr) => record(pcr, types.separator, new Uint8Array(4))),
]

function registers(): Map<number, Uint8Array> {
  const pcrs = new Map(Array.from({ length: 8 }, (_, pcr): [number, Uint8Array] => [pcr, new Uint8Array(32)]))
  for (const { pcr, digest } of boot) pcrs.set(pcr, sha256(pcrs.get(pcr)!, digest))
  return pcrs
}

/**
 * Evidence for tests of programs that verify it or have keys released: a genuine form, by this installation's simulated
 * processor, of a VM that does not exist. Its keys are the test's own. Only the test API reaches it.
 */
export class TestEvidence {
  readonly #silicon: Silicon
  readonly #authority: InstallationAuthority
  #launched: Promise<SnpGuest> | undefined
  #guest: Promise<Guest> | undefined

  constructor(o: { silicon: Silicon; authority: InstallationAuthority }) {
    this.#silicon = o.silicon
    this.#authority = o.authority
  }

  /** @param runtimeData JSON that the report binds */
  async platform(runtimeData: Uint8Array): Promise<PlatformEvidence> {
    const report = await this.#proof(runtimeData)
    return { report: toBase64Url(utf8(report)), runtimeData: { data: toBase64Url(runtimeData), dataType: 'JSON' } }
  }

  /** As Azure's guest library collects it. @param modulus of the RSA key of 2048 bits that the token names for encryption */
  async guest(modulus: Uint8Array): Promise<GuestEvidence> {
    const { tpm, akCertificate, claims } = await (this.#guest ??= this.#boot())
    const pcrs = registers()
    const encryptionKey = await tpm.encryptionKey(modulus, pcrs)
    const [quote, certified] = [tpm.quote(pcrs), tpm.certify(encryptionKey)]
    const info = {
      AttestationProtocolVersion: '2.0',
      OSType: base64('Linux'),
      OSDistro: base64('Debian'),
      OSVersionMajor: 13,
      OSVersionMinor: 0,
      OSBuild: base64('NotApplication'),
      TcgLogs: base64(writeEventLog(boot)),
      ClientPayload: {},
      TpmInfo: {
        AikCert: base64(akCertificate),
        AikPub: base64(tpm.akPublic),
        PcrQuote: base64(quote.message),
        PcrSignature: base64(quote.signature),
        EncKeyPub: base64(encryptionKey),
        EncKeyCertifyInfo: base64(certified.message),
        EncKeyCertifyInfoSignature: base64(certified.signature),
        PcrSet: [...pcrs.keys()],
        PCRs: [...pcrs].map(([Index, digest]) => ({ Index, Digest: base64(digest) })),
      },
      IsolationInfo: {
        Type: 'SevSnp',
        Evidence: { Proof: base64(await this.#proof(claims)), RunTimeData: base64(claims) },
      },
    }
    return { AttestationInfo: toBase64Url(utf8(JSON.stringify(info))) }
  }

  /** A VM of this API only: its id is drawn here, so that no token of it is another VM's. */
  async #boot(): Promise<Guest> {
    const vmId = randomUUID().toUpperCase()
    const tpm = await SoftwareTpm.make()
    const pem = await certifyAttestationKey({ authority: this.#authority, vmId, spki: tpm.akSpki })
    const claims = {
      keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', ...tpm.akJwk }],
      'vm-configuration': {
        'console-enabled': true,
        'secure-boot': true,
        'tpm-enabled': true,
        'tpm-persisted': true,
        vmUniqueId: vmId,
      },
      'user-data': '0'.repeat(128),
    }
    return { tpm, akCertificate: parsePem(pem)[0]!, claims: utf8(JSON.stringify(claims)) }
  }

  /** Report over the data, with the certificates of the processor. */
  async #proof(data: Uint8Array): Promise<string> {
    // Loaded in simulated mode only.
    const { tinyFirmware } = await import('@strongroom/silicon')
    const { amd } = this.#silicon
    this.#launched ??= amd.launch({ firmware: tinyFirmware(), vCPUs: 1, vcpuType: 'EPYC-Milan' })
    const reportData = new Uint8Array(64)
    reportData.set(sha256(data))
    const report = await (await this.#launched).report(reportData)
    const { vcekPem, chainPem } = await amd.endorsements()
    return JSON.stringify({ SnpReport: toBase64Url(report), VcekCertChain: base64(vcekPem + chainPem) })
  }
}
