import { ByteWriter, parseGuid, utf8 } from '@strongroom/evidence'
import { svsmManifestGuid } from '@strongroom/evidence/files'
import { cborBytes, type Writable } from '../test/corpus/support/cbor-writer.ts'

/** Well-formed structures of other makers, with signatures that no fuzzer needs. */

function signed(payload: Writable): Writable {
  return { list: [cborBytes({ map: [[1, -35]] }), { map: [] }, cborBytes(payload), new Uint8Array(96)] }
}

export function nitroDocument(): Uint8Array {
  return cborBytes(
    signed({
      map: [
        ['module_id', 'i-1-enc2'],
        ['digest', 'SHA384'],
        ['timestamp', 1_780_000_000_000],
        ['pcrs', { map: [[0, new Uint8Array(48).fill(1)]] }],
        ['certificate', Uint8Array.of(0x30, 0)],
        ['cabundle', { list: [Uint8Array.of(0x30, 0)] }],
        ['nonce', Uint8Array.of(1)],
      ],
    }),
  )
}

export function ccaToken(): Uint8Array {
  const publicKey = new Uint8Array(97)
  publicKey[0] = 4
  const realm: [number, Writable][] = [
    [10, new Uint8Array(64)],
    [44235, new Uint8Array(64)],
    [44237, publicKey],
    [44238, new Uint8Array(32)],
    [44239, { list: [0, 1, 2, 3].map(() => new Uint8Array(32)) }],
    [44240, 'sha-256'],
  ]
  const platform: [number, Writable][] = [
    [10, new Uint8Array(32)],
    [256, new Uint8Array(33)],
    [2395, 0x3000],
    [2396, new Uint8Array(32)],
  ]
  const parts: [number, Writable][] = [
    [44234, cborBytes(signed({ map: platform }))],
    [44241, cborBytes(signed({ map: realm }))],
  ]
  return cborBytes({ tag: 399, value: { map: parts } })
}

export function svsmManifest(): Uint8Array {
  const service = parseGuid('c476f1eb-0123-45a5-9641-b4e7dde5bfe3')
  return new ByteWriter().bytes(svsmManifestGuid).u32le(50).u32le(1).bytes(service).u32le(48).u32le(2).u16le(1).finish()
}

export function scaleCollateral(): Uint8Array {
  const writer = new ByteWriter()
  for (const field of ['-----BEGIN CERTIFICATE-----', 'a', 'b', 'c', '{}', 'd', 'e', '{}', 'f']) {
    writer.u8(field.length << 2).bytes(utf8(field))
  }
  return writer.u8(0).finish()
}
