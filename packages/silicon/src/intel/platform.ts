import { parseCertificate, spkiSha256 } from '@strongroom/evidence'
import type { Clock } from '../pki/clock.ts'
import { type KeyStore, loadOrCreateKey, type SigningKey } from '../pki/keys.ts'
import type { TdxPlatform } from './tdx-platform.ts'
import { issueIntelCertificates } from './certificates.ts'
import { CollateralService } from './collateral-service.ts'
import { QuotingEnclave } from './quoting-enclave.ts'
import { TdxModule } from './tdx-module.ts'

/**
 * Opens the simulated Intel platform with the keys in `keys`, creating them the first time: same bytes and protocols as
 * the real one, another root, and no protection from its host.
 */
export async function createIntelPlatform(o: { keys: KeyStore; clock: Clock }): Promise<TdxPlatform> {
  const key = (name: string): Promise<SigningKey> => loadOrCreateKey(o.keys, name, 'ecdsa-p256-sha256')
  const keys = {
    root: await key('simulated-intel-root'),
    platformCa: await key('simulated-intel-platform-ca'),
    pck: await key('simulated-intel-pck'),
    tcbSigning: await key('simulated-intel-tcb-signing'),
  }
  const attestation = await key('simulated-intel-attestation')
  const module = await TdxModule.create(await secretBytes(o.keys, 'simulated-intel-report-mac', 32))
  const certificates = await issueIntelCertificates(keys, o.clock.now())
  const { pck, platformCa, root } = certificates
  const enclave = new QuotingEnclave({ attestation, pck: keys.pck, pckChain: [pck, platformCa, root] })
  const service = new CollateralService({ keys, certificates, clock: o.clock })
  return {
    anchor: { name: 'Strongroom simulated Intel SGX Root CA', spkiSha256: await spkiSha256(parseCertificate(root)) },
    launch: (parameters) => module.launch(parameters),
    quote: async (tdReport) => enclave.quote(await module.verify(tdReport)),
    collateral: () => service.collateral(),
    earlyTcbInfo: () => service.earlyTcbInfo(),
  }
}

/** Secret of this name; created and saved if missing. */
async function secretBytes(store: KeyStore, name: string, length: number): Promise<Uint8Array> {
  const stored = await store.load(name)
  if (stored !== undefined) return stored
  const made = crypto.getRandomValues(new Uint8Array(length))
  await store.save(name, made)
  return made
}
