import { ByteWriter, parseGuid } from '@strongroom/evidence'
import { amdName } from './amd/amd-endorser.ts'
import type { Clock } from './clock.ts'
import { issueCrl } from './pki/crl-writer.ts'
import { loadOrCreateKey, type KeyStore } from './pki/keys.ts'

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

/** The smallest image that SNP can start: one page with OVMF's table of GUIDs, SEV metadata and a reset block. */
export function tinyFirmware(fill = 0): Uint8Array {
  const metadata = new ByteWriter().u32le(0x56455341).u32le(28).u32le(1).u32le(1).u32le(0x800000).u32le(0x1000).u32le(1)
  const table = new ByteWriter()
  const entry = (guid: string, value: number): void => {
    table.u32le(value).u16le(22).bytes(parseGuid(guid))
  }
  entry('dc886566-984a-4798-a75e-5585a7bf67cc', 4096)
  entry('00f771de-1a7e-4fcb-890e-68c77e2fb44e', 0x80b004)
  table.u16le(table.length + 18).bytes(parseGuid('96b582de-1fb2-45f7-baea-a366c55a082d'))
  const body = metadata.finish()
  return new ByteWriter()
    .bytes(body)
    .bytes(new Uint8Array(4096 - 32 - body.length - table.length).fill(fill))
    .bytes(table.finish())
    .zero(32)
    .finish()
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
