import { fromBase64, toBase64 } from '@strongroom/evidence'
import { sha256 } from '../provenance/bytes.ts'

/** As `ssh-keygen -l` shows a key; a line that is not a key is returned unchanged. */
export async function fingerprint(line: string): Promise<string> {
  // A line of one word has no key: a blank is no base64.
  const [type = '', key = ' '] = line.trim().split(/\s+/)
  let blob: Uint8Array
  try {
    blob = fromBase64(key)
  } catch {
    return `${line.slice(0, 80)} (not the base64 of a key)`
  }
  return `${type} SHA256:${toBase64(await sha256(blob)).replace(/=$/, '')}`
}
