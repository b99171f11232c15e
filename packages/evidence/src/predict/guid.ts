import { fromHex, toHex } from '../bytes/hex.ts'

/** EFI_GUID in memory: the first three groups little-endian, the last two as written (UEFI 2.10 appendix A). Text is lower case. */
export function guidToBytes(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll('-', ''))
  swap(bytes)
  return bytes
}

export function guidFromBytes(bytes: Uint8Array): string {
  const ordered = Uint8Array.from(bytes)
  swap(ordered)
  const hex = toHex(ordered)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

function swap(bytes: Uint8Array): void {
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
}
