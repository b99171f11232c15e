import { amdName } from './amd/amd-endorser.ts'
import type { Clock } from './pki/clock.ts'
import { issueCrl } from './pki/crl-writer.ts'
import { loadOrCreateKey, type KeyStore } from './pki/keys.ts'

export { tinyFirmware } from './tiny-firmware.ts'

/** Keeps keys in memory only. `names` lists the created ones. */
export function memoryKeyStore(): KeyStore & { names(): string[] } {
  const kept = new Map<string, Uint8Array>()
  return {
    load: (name) => Promise.resolve(kept.get(name)),
    save: (name, pkcs8) => {
      kept.set(name, Uint8Array.from(pkcs8))
      return Promise.resolve()
    },
    names: () => [...kept.keys()],
  }
}

/** A clock that stands still until it is set. */
export function settableClock(start: Date = new Date('2026-06-01T12:00:00Z')): Clock & { set(to: Date): void } {
  let now = start
  return {
    now: () => new Date(now),
    set: (to) => {
      now = to
    },
  }
}

/** A revocation list of the simulated AMD root with its own validity, like a vendor's urgent list. */
export async function urgentAmdList(o: {
  keys: KeyStore
  product: string
  thisUpdate: Date
  nextUpdate: Date
  /** Serial numbers of certificates issued by the root. */
  revoked?: readonly bigint[]
}): Promise<Uint8Array> {
  return await issueCrl({
    issuer: amdName(`ARK-${o.product}`),
    signer: await loadOrCreateKey(o.keys, 'simulated-amd-ark', 'rsa-pss-sha384'),
    number: BigInt(Math.floor(o.thisUpdate.getTime() / 1000)),
    thisUpdate: o.thisUpdate,
    nextUpdate: o.nextUpdate,
    revoked: (o.revoked ?? []).map((serialNumber) => ({ serialNumber, date: o.thisUpdate })),
  })
}
