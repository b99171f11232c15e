import { X509Certificate } from 'node:crypto'
import { metadataSignerName, type AnySpec, type AttestedDocument } from '@strongroom/contract'
import { algorithms, signedData } from '@strongroom/der'
import type { Clock, InstallationAuthority } from '@strongroom/platform'
import { licenceOf, marketplaceOf } from './instance-metadata.ts'

const documentMs = 6 * 3600_000
const certificateDays = 30
/** The signer is replaced this long before its certificate expires: a document never outlives it. */
const renewMs = 24 * 3600_000
const dayMs = 24 * 3600_000

const keyAlgorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
} as const

interface Signer {
  key: CryptoKey
  certificate: Uint8Array
  renewAt: number
}

/** Azure's answer at /metadata/attested/document, for the VM of this specification. */
export interface AttestedDocuments {
  /** @param o.nonce the guest's; default: the time, as on Azure */
  document(o: { spec: AnySpec; subscriptionId: string; nonce?: string }): Promise<AttestedDocument>
}

/**
 * Signs the attested documents of all guests, on the server: verifiers trust the installation's authority and the
 * certificate's name, so whoever has the key speaks for every VM. Key and certificate are created for the first document
 * and stay in memory.
 */
export class DocumentSigner implements AttestedDocuments {
  readonly #authority: InstallationAuthority
  readonly #clock: Clock
  #signer: Promise<Signer> | undefined

  constructor(o: { authority: InstallationAuthority; clock: Clock }) {
    this.#authority = o.authority
    this.#clock = o.clock
  }

  async document(o: { spec: AnySpec; subscriptionId: string; nonce?: string }): Promise<AttestedDocument> {
    const now = this.#clock.now()
    const marketplace = marketplaceOf(o.spec)
    const content = {
      licenseType: licenceOf(),
      nonce: o.nonce ?? timestampNonce(now),
      plan: { name: '', product: '', publisher: '' },
      sku: marketplace.sku,
      subscriptionId: o.subscriptionId,
      timeStamp: { createdOn: azureTime(now), expiresOn: azureTime(new Date(now.getTime() + documentMs)) },
      vmId: o.spec.vmId.toLowerCase(),
    }
    const bytes = new TextEncoder().encode(JSON.stringify(content))
    return { encoding: 'pkcs7', signature: Buffer.from(await signCms(bytes, await this.#current())).toString('base64') }
  }

  async #current(): Promise<Signer> {
    const kept = await this.#signer?.catch(() => undefined)
    if (kept !== undefined && this.#clock.now().getTime() < kept.renewAt) return kept
    return await (this.#signer = this.#make())
  }

  async #make(): Promise<Signer> {
    const { subtle } = globalThis.crypto
    const { publicKey, privateKey } = await subtle.generateKey(keyAlgorithm, false, ['sign', 'verify'])
    const pem = await this.#authority.issueCertificate({
      subject: `CN=${metadataSignerName}`,
      publicKey: new Uint8Array(await subtle.exportKey('spki', publicKey)),
      // Expected by S/MIME verifiers.
      usages: ['emailProtection'],
      days: certificateDays,
    })
    return {
      key: privateKey,
      certificate: new X509Certificate(pem).raw,
      renewAt: this.#clock.now().getTime() + certificateDays * dayMs - renewMs,
    }
  }
}

/** SignedData with the content inside, signed by RSA with SHA-256. */
async function signCms(content: Uint8Array<ArrayBuffer>, signer: Signer): Promise<Uint8Array> {
  const signature = await globalThis.crypto.subtle.sign(keyAlgorithm.name, signer.key, content)
  return signedData({
    content,
    certificate: signer.certificate,
    digestAlgorithm: algorithms.sha256,
    signatureAlgorithm: algorithms.rsaSha256,
    signature: new Uint8Array(signature),
  })
}

/** `09/25/26 02:42:17 -0000`, as Azure writes it. */
function azureTime(at: Date): string {
  const iso = at.toISOString()
  return `${iso.slice(5, 7)}/${iso.slice(8, 10)}/${iso.slice(2, 4)} ${iso.slice(11, 19)} -0000`
}

/** `20260925-084217`: the end of the document's validity. */
function timestampNonce(now: Date): string {
  const iso = new Date(now.getTime() + documentMs).toISOString()
  return `${iso.slice(0, 10).replaceAll('-', '')}-${iso.slice(11, 19).replaceAll(':', '')}`
}
