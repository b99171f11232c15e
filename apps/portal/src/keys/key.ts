import type { KeyBundle, KeyItem, KeyReleasePolicyBody, KeyRotationPolicyBody } from '@strongroom/contract'
import { textOfBase64Url } from '../wire/base64-url.ts'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import { askVault, listVault } from './vaults.ts'

/** The content of a key's page; what the principal may not see is shown as an error beside the rest. */
export interface WholeKey {
  current: KeyBundle
  versions: KeyItem[] | WireError
  rotation: KeyRotationPolicyBody | WireError
}

export const lastPart = (id: string): string => id.slice(id.lastIndexOf('/') + 1)
export const pathOfKey = (key: string): string => `/keys/${encodeURIComponent(key)}`

/** @throws WireError if the key itself is unavailable */
export async function readKey(vault: string, key: string, signal: AbortSignal): Promise<WholeKey> {
  const path = pathOfKey(key)
  const [current, versions, rotation] = await Promise.all([
    askVault<KeyBundle>(vault, { path, signal }),
    listVault<KeyItem>(vault, `${path}/versions`, signal).catch(toWireError),
    askVault<KeyRotationPolicyBody>(vault, { path: `${path}/rotationpolicy`, signal }).catch(toWireError),
  ])
  return { current, versions, rotation }
}

/** Text of a policy as stored in a key. */
export const policyText = ({ data }: KeyReleasePolicyBody): string => textOfBase64Url(data)
