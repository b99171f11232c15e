import type { KeyAttestationBody, KeyAttestationStatement } from '@strongroom/contract'
import type { Caller, Clock } from '@strongroom/platform'
import { bundleOf } from '../keys/bundles.ts'
import { bindingOf, policyHash, type KeyVersion } from '../keys/key-version.ts'
import { keyEntry } from '../keys/keys.ts'
import type { Keystore } from '../keystore/keystore.ts'
import type { OperationLog } from '../log/operation-log.ts'
import type { CertifiedSigner } from '../signing/certified-signer.ts'
import type { Vault } from '../vaults/vault.ts'

/** States what holds a key, as its holder reports it, signed by the service. */
export class KeyAttestation {
  readonly #o: { keystore: Keystore; signer: CertifiedSigner; log: OperationLog; clock: Clock }

  constructor(o: { keystore: Keystore; signer: CertifiedSigner; log: OperationLog; clock: Clock }) {
    this.#o = o
  }

  async attest(caller: Caller, key: KeyVersion, vault: Vault): Promise<KeyAttestationBody> {
    const { keystore, signer, log, clock } = this.#o
    const { kid, kty, key_ops, ...publicParts } = bundleOf(key, vault).key
    const hash = policyHash(key.policy)
    const statement: KeyAttestationStatement = {
      statement: 'strongroom-key-attestation',
      version: '1.0',
      iat: Math.floor(clock.now().getTime() / 1000),
      key: { kid, kty, key_ops, ...publicParts },
      exportable: key.exportable,
      ...(hash !== '' && { releasePolicySha256: hash }),
      keystore: await keystore.standing(key.material, bindingOf(key)),
    }
    const jws = await signer.sign(statement)
    await log.append(keyEntry(caller, 'attestKey', key))
    const pem = (await signer.certificates()).map(
      (der) => `-----BEGIN CERTIFICATE-----\n${folded(der)}\n-----END CERTIFICATE-----\n`,
    )
    return {
      version: '1.0',
      certificatePemFile: Buffer.from(pem.join('')).toString('base64url'),
      privateKeyAttestation: Buffer.from(jws).toString('base64url'),
    }
  }
}

/** Lines of 64 characters, RFC 7468 section 2. */
const folded = (base64: string): string => base64.replaceAll(/.{64}(?=.)/g, '$&\n')
