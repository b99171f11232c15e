import { attestationTypes, homeRegion, sharedAttestationHost, type AttestationType } from '@strongroom/contract'

/** One issuer of tokens with policies of its own. */
export interface Provider {
  /** Host name, which is also the provider's key in the store. */
  host: string
  name: string
  regionCode: string
  /** `iss` of its tokens; no slash at the end. */
  issuer: string
}

/** Providers by host name. The shared one of the home region exists always. */
export class Providers {
  readonly #byHost = new Map<string, Provider>()

  constructor() {
    this.#add(`shared${homeRegion.code}`, homeRegion.code, sharedAttestationHost(homeRegion.code))
  }

  get(host: string): Provider | undefined {
    return this.#byHost.get(host)
  }

  all(): Provider[] {
    return [...this.#byHost.values()]
  }

  #add(name: string, regionCode: string, host: string): void {
    this.#byHost.set(host, { host, name, regionCode, issuer: `https://${host}` })
  }
}

/** What can be attested here; the other types of the wire are refused by name. */
export type OfferedType = AttestationType
export const offeredTypes: readonly OfferedType[] = attestationTypes
