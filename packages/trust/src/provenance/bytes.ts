import { digest, toHex } from '@strongroom/evidence'

export const sha256 = async (bytes: Uint8Array): Promise<Uint8Array> => await digest('SHA-256', bytes)
export const sha256Hex = async (bytes: Uint8Array): Promise<string> => toHex(await sha256(bytes))
