import { parseCertificate, spkiSha256, type TdxCollateral, type TrustAnchor } from '@strongroom/evidence'
import { issueCertificates } from './certificates.ts'
import { CollateralService } from './collateral-service.ts'
import { type KeyStore, secretBytes, signingKeys } from './keys.ts'
import { QuotingEnclave } from './quoting-enclave.ts'
import { TdxModule, type TrustDomain, type TrustDomainParameters } from './tdx-module.ts'

/** A simulated Intel platform with TDX: same bytes and protocols as the real one, another root, and no barrier against its host. */
export interface TdxPlatform {
  /** The simulated root that everything below chains to. */
  anchor: TrustAnchor
  launch(o: TrustDomainParameters): Promise<TrustDomain>
  /**
   * TD quote for a TDREPORT.
   * @throws VerificationError ReportMacInvalid for a report that this platform did not make
   * @throws ParseError
   */
  quote(tdReport: Uint8Array): Promise<Uint8Array>
  /** Current collateral for quotes of this platform; its next update is 29 to 30 days ahead. */
  collateral(): Promise<TdxCollateral>
}

/** Opens the platform whose keys are in `keys`, making them the first time. */
export async function createIntelPlatform(o: { keys: KeyStore; clock: { now(): Date } }): Promise<TdxPlatform> {
  const keys = {
    root: await signingKeys(o.keys, 'intel-root'),
    platformCa: await signingKeys(o.keys, 'intel-platform-ca'),
    pck: await signingKeys(o.keys, 'intel-pck'),
    tcbSigning: await signingKeys(o.keys, 'intel-tcb-signing'),
  }
  const attestation = await signingKeys(o.keys, 'intel-attestation')
  const module = await TdxModule.create(await secretBytes(o.keys, 'intel-report-mac', 32))
  const certificates = await issueCertificates(keys, o.clock.now())
  const { pck, platformCa, root } = certificates
  const enclave = new QuotingEnclave({ attestation, pck: keys.pck, pckChain: [pck, platformCa, root] })
  const service = new CollateralService({ keys, certificates, clock: o.clock })
  return {
    anchor: { name: 'Strongroom simulated Intel SGX Root CA', spkiSha256: await spkiSha256(parseCertificate(root)) },
    launch: (parameters) => module.launch(parameters),
    quote: async (tdReport) => enclave.quote(await module.verify(tdReport)),
    collateral: () => service.collateral(),
  }
}
