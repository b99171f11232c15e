import {
  attestationManagementApiVersion,
  attestationManagementAudience,
  attestationManagementHost,
  type AttestationProviderDefinition,
  type AttestationProviderRecord,
} from '@strongroom/contract'
import type { TokenSource, WireClient } from '@strongroom/platform'
import { ServiceClient } from './service-client.ts'

/** The attestation service's own wire for providers, called as the control plane's principal. */
export class AttestationClient {
  readonly #service: ServiceClient

  constructor(wire: WireClient, tokens: TokenSource) {
    const url = `https://${attestationManagementHost}/providers`
    const query = `?api-version=${attestationManagementApiVersion}`
    this.#service = new ServiceClient(wire, tokens, { audience: attestationManagementAudience, url, query })
  }

  /** Creates the provider, or finds the one this resource created. @throws ServiceError NameNotAvailable, InvalidParameter */
  async create(
    regionCode: string,
    name: string,
    definition: AttestationProviderDefinition,
  ): Promise<AttestationProviderRecord> {
    return await this.#send('PUT', regionCode, name, '', definition)
  }

  async remove(regionCode: string, name: string): Promise<void> {
    await this.#send('DELETE', regionCode, name)
  }

  /** Informs the service that the provider's resource has another id. Idempotent. @throws ServiceError NameNotAvailable */
  async move(regionCode: string, name: string, o: { from: string; to: string }): Promise<void> {
    await this.#send('POST', regionCode, name, '/move', o)
  }

  /** Makes the provider sign with a new key from now on. @returns its `kid` */
  async rotateKey(regionCode: string, name: string): Promise<string> {
    return (await this.#send<{ kid: string }>('POST', regionCode, name, '/rotateKey')).kid
  }

  async #send<T>(method: string, regionCode: string, name: string, verb = '', body?: unknown): Promise<T> {
    return await this.#service.send(method, `/${regionCode}/${encodeURIComponent(name)}${verb}`, { body })
  }
}
